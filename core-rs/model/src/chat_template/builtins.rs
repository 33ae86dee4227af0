//! The filters, functions and methods of Jinja, each with the most that it can make.

use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, functions, tests};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::checked::{call, holds_namespace};
use super::limits::{ITEM, Limits, MAX_DEPTH, MAX_MEMORY, Size, text_of};

/// Bytes of a character that a filter writes, at most: `&quot;`.
const ESCAPE: usize = 6;
/// Values of a list that is made for each item, such as a key with its value.
const PAIR: usize = 8;
/// Spaces of a level of JSON, unless it says otherwise.
const INDENT: usize = 16;

/// Puts checks around all that minijinja has, and takes away what Python's Jinja lacks.
pub(super) fn install(environment: &mut Environment) {
    for (name, filter) in filters() {
        add_filter(environment, name, filter);
    }
    for name in ["chain", "zip", "split", "lines"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
    let function = |function: Value, most: fn(&[Value]) -> usize| {
        move |state: &State, operands: Rest<Value>| {
            if operands.iter().any(holds_namespace) {
                let message = "a namespace cannot be an operand of a function";
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
            call(state, most(&operands), || function.call(state, &operands))
        }
    };
    let range = Value::from_function(functions::range);
    environment.add_function("range", function(range, |_| 0));
    let dict = Value::from_function(functions::dict);
    environment.add_function("dict", function(dict, |maps| maps.iter().map(items).sum()));
    let namespace = Value::from_function(functions::namespace);
    environment.add_function("namespace", function(namespace, |maps| maps.iter().map(items).sum()));
    install_tests(environment);
    environment.set_unknown_method_callback(|state, value, method, operands| {
        let all: Vec<Value> = std::iter::once(value).chain(operands).cloned().collect();
        let most = match (method, &all[..]) {
            ("join", [separator, list]) => most("join", &[list.clone(), separator.clone()]),
            _ => most(method, &all),
        };
        call(state, most, || unknown_method_callback(state, value, method, operands))
    });
}

/// Adds a filter with the checks of its name.
pub(super) fn add_filter(environment: &mut Environment, name: &'static str, filter: Value) {
    environment.add_filter(name, move |state: &State, operands: Rest<Value>| {
        call(state, most(name, &operands), || filter.call(state, &operands))
    });
}

fn filters() -> [(&'static str, Value); 45] {
    [
        ("safe", Value::from_function(filters::safe)),
        ("escape", Value::from_function(filters::escape)),
        ("e", Value::from_function(filters::escape)),
        ("lower", Value::from_function(filters::lower)),
        ("upper", Value::from_function(filters::upper)),
        ("title", Value::from_function(filters::title)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("replace", Value::from_function(filters::replace)),
        ("length", Value::from_function(filters::length)),
        ("count", Value::from_function(filters::length)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("items", Value::from_function(filters::items)),
        ("reverse", Value::from_function(filters::reverse)),
        ("trim", Value::from_function(filters::trim)),
        ("join", Value::from_function(filters::join)),
        ("default", Value::from_function(filters::default)),
        ("d", Value::from_function(filters::default)),
        ("round", Value::from_function(filters::round)),
        ("abs", Value::from_function(filters::abs)),
        ("int", Value::from_function(filters::int)),
        ("float", Value::from_function(filters::float)),
        ("attr", Value::from_function(filters::attr)),
        ("first", Value::from_function(filters::first)),
        ("last", Value::from_function(filters::last)),
        ("min", Value::from_function(filters::min)),
        ("max", Value::from_function(filters::max)),
        ("sort", Value::from_function(filters::sort)),
        ("list", Value::from_function(filters::list)),
        ("string", Value::from_function(filters::string)),
        ("bool", Value::from_function(filters::bool)),
        ("batch", Value::from_function(filters::batch)),
        ("slice", Value::from_function(filters::slice)),
        ("sum", Value::from_function(filters::sum)),
        ("indent", Value::from_function(filters::indent)),
        ("select", Value::from_function(filters::select)),
        ("reject", Value::from_function(filters::reject)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("map", Value::from_function(filters::map)),
        ("groupby", Value::from_function(filters::groupby)),
        ("unique", Value::from_function(filters::unique)),
        ("pprint", Value::from_function(filters::pprint)),
        ("format", Value::from_function(filters::format)),
        // Keeps the compiler from repeating a text of the template while it compiles.
        (AS_IT_IS, Value::from_function(|value: Value| value)),
        ("tojson", Value::from_function(super::python::to_json)),
    ]
}

/// Tests that turn what they are given into text.
fn install_tests(environment: &mut Environment) {
    let text = |state: &State, operands: [&Value; 2]| {
        Limits::of(state).fits(text_of(&operands.map(Value::clone)))
    };
    environment.add_test("in", move |state: &State, value: &Value, other: &Value| {
        text(state, [value, other])?;
        tests::is_in(state, value, other)
    });
    environment.add_test("startingwith", move |state: &State, value: &Value, other: &Value| {
        text(state, [value, other])?;
        Ok::<_, Error>(tests::is_startingwith(value.to_string().into(), other.to_string().into()))
    });
    environment.add_test("endingwith", move |state: &State, value: &Value, other: &Value| {
        text(state, [value, other])?;
        Ok::<_, Error>(tests::is_endingwith(value.to_string().into(), other.to_string().into()))
    });
}

/// Bytes that a filter or a method makes of its operands, at most.
fn most(name: &str, operands: &[Value]) -> usize {
    let [value, others @ ..] = operands else { return 0 };
    let text = || text_of(operands);
    match name {
        "length" | "count" | "first" | "last" | "default" | "d" | "abs" | "int" | "float"
        | "round" | "bool" | "attr" | "min" | "max" | "sum" | "get" | "find" | "rfind"
        | "startswith" | "endswith" | AS_IT_IS => 0,
        "list" | "reverse" | "sort" | "unique" | "select" | "reject" | "selectattr"
        | "rejectattr" | "map" | "groupby" | "items" | "keys" | "values" | "dictsort" => {
            items(value).saturating_mul(PAIR)
        }
        "batch" | "slice" => {
            let count = others.first().and_then(Value::as_usize).unwrap_or(0);
            items(value).saturating_add(count.saturating_mul(ITEM)).saturating_mul(PAIR)
        }
        "replace" => match (value.as_str(), others) {
            (Some(value), [from, to, ..]) if from.as_str().is_some() => {
                let count = value.matches(from.as_str().unwrap_or_default()).count();
                text().saturating_add(count.saturating_mul(text_of(std::slice::from_ref(to))))
            }
            _ => text().saturating_mul(text()),
        },
        "join" => {
            let separator = text_of(others);
            text().saturating_add(value.len().unwrap_or(0).saturating_mul(separator))
        }
        "indent" => {
            let lines = value.as_str().map_or(0, |text| text.matches('\n').count()) + 1;
            text().saturating_add(lines.saturating_mul(number(others, "width")))
        }
        "format" => text().saturating_add(value.as_str().map_or(0, |text| widths(text, others))),
        "split" | "splitlines" => {
            let separator = others.first().and_then(Value::as_str).filter(|text| !text.is_empty());
            let pieces = value.as_str().map_or(0, |text| match separator {
                Some(separator) => text.matches(separator).count(),
                None => text.len() / 2,
            });
            text().saturating_add((pieces + 1) * 2 * ITEM)
        }
        "tojson" | "pprint" => {
            let size = Size::of(value, MAX_MEMORY);
            let indent =
                if name == "pprint" || !others.is_empty() { INDENT * MAX_DEPTH } else { 0 };
            size.text.saturating_mul(2).saturating_add(size.values.saturating_mul(indent))
        }
        _ => text().saturating_mul(ESCAPE),
    }
}

/// Name of a filter that does nothing.
pub(super) const AS_IT_IS: &str = "as_it_is";

/// Bytes of a list of a value's items, or of a text's characters.
fn items(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.len().unwrap_or(0), str::len).saturating_mul(ITEM)
}

/// A number that is the first operand, or the one of that name.
fn number(operands: &[Value], name: &str) -> usize {
    let named = |value: &Value| value.get_attr(name).ok().and_then(|value| value.as_usize());
    operands.iter().find_map(|value| value.as_usize().or_else(|| named(value))).unwrap_or(0)
}

/// All numbers in a format together: among them are the widths; `*` stands for an operand.
fn widths(format: &str, operands: &[Value]) -> usize {
    let numbers = format.split(|character: char| !character.is_ascii_digit());
    let number = |digits: &str| match digits {
        "" => 0,
        digits => digits.parse().unwrap_or(usize::MAX),
    };
    let given = operands.iter().filter_map(Value::as_usize);
    let given = given.take_while(|_| format.contains('*'));
    numbers.map(number).chain(given).fold(0, usize::saturating_add)
}
