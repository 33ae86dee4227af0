//! Templates that would take all memory or the whole stack. A binary of its own, for its allocator.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread;

use serde_json::{Value, json};
use support::templates::template;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

/// The system's allocator, counting what this thread holds.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may be there at once.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes at once: what the limits allow to be made, and the room that growing lists and texts
/// leave.
const MOST: isize = 2 * (256 << 20) + 2 * (16 << 20);
/// The stack that a thread of Rust has, halved.
const STACK: usize = 1 << 20;

const MEMORY: &str = "it makes values of more than 268435456 bytes";
const OUTPUT: &str = "it writes more than 16777216 bytes";
const STEPS: &str = "it takes more than 2000000 steps";
const DEPTH: &str = "it nests values deeper than 256";

/// What comes of a template for one message, and the most bytes that it held meanwhile; and that
/// it frees them all.
fn render(source: &str) -> (Result<String, String>, isize) {
    let source = source.to_owned();
    let run = move || {
        let messages: Value = json!([{ "role": "user", "content": "0123456789".repeat(100) }]);
        let held = || {
            let before = LIVE.get();
            PEAK.set(before);
            let outcome = template(&source).render(&messages, None, true);
            let outcome = outcome.map_err(|error| error.to_string());
            let length = outcome.as_ref().map_or_else(String::len, String::len) as isize;
            (outcome, PEAK.get() - before, LIVE.get() - before - 2 * length)
        };
        let (outcome, peak, left) = held();
        // What a thread makes once may stay.
        let left = if left > 64 { held().2 } else { left };
        assert!(left <= 64, "{left} bytes stay");
        (outcome, peak)
    };
    thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap()
}

/// Asserts that a template is stopped with these words, and in time.
fn assert_stopped(source: &str, words: &str) {
    let start = &source[..source.len().min(120)];
    let (outcome, peak) = render(source);
    let error = outcome.map(|text| text.len()).expect_err(start);
    assert!(error.contains(words), "{start}: {error}");
    assert!(peak <= MOST, "{start}: {peak} bytes at once");
}

/// A namespace with a text `t` and a list `l`, and a step that is done a thousand times.
fn repeated(step: &str) -> String {
    format!(
        "{{% set ns = namespace(t='0123456789', l=[1]) %}}\
         {{% for i in range(1000) %}}{step}{{% endfor %}}{{{{ ns.t | length }}}}"
    )
}

#[test]
fn a_text_that_doubles_is_stopped() {
    for step in [
        "{% set ns.t = ns.t + ns.t %}",
        "{% set ns.t = ns.t ~ ns.t %}",
        "{% set ns.t = ns.t * 2 %}",
        "{% set ns.t = 2 * ns.t %}",
        "{% set ns.t = [ns.t, ns.t] | join %}",
        "{% set ns.t = ns.t.join([ns.t, ns.t]) %}",
        "{% set ns.t = '%s%s' | format(ns.t, ns.t) %}",
        "{% set ns.t = '{0}{0}'.format(ns.t) %}",
        "{% set ns.t = ns.t.replace('9', ns.t) %}",
        "{% set ns.t = ns.t | replace('', ns.t) %}",
        "{% set ns.t = [ns.t, ns.t] | string %}",
        "{% set ns.t = [ns.t, ns.t] | tojson %}",
        "{% set ns.t = [ns.t, ns.t] | pprint %}",
        "{% set ns.t = ns.t | list | join(ns.t) %}",
        "{% set ns.t = (ns.t ~ '&\"') | escape %}{% set ns.t = ns.t + ns.t %}",
    ] {
        assert_stopped(&repeated(step), MEMORY);
    }
}

#[test]
fn a_text_that_is_captured_again_and_again_is_stopped() {
    for step in [
        "{% set x %}{{ ns.t }}{{ ns.t }}{% endset %}{% set ns.t = x %}",
        "{% set x %}{{ [ns.t, ns.t] }}{% endset %}{% set ns.t = x %}",
        "{% macro m() %}{{ ns.t }}{{ ns.t }}{% endmacro %}{% set ns.t = m() %}",
        "{% filter upper %}{{ messages[0].content * 100 }}{% endfilter %}",
    ] {
        assert_stopped(&repeated(step), OUTPUT);
    }
    let raw = "x".repeat(100_000);
    let source = format!(
        "{{% set x %}}{{% for i in range(99999) %}}{raw}{{% endfor %}}{{% endset %}}{{{{ x }}}}"
    );
    assert_stopped(&source, OUTPUT);
}

#[test]
fn one_operation_cannot_take_it_all() {
    for expression in [
        "'x' * 99999999999",
        "messages[0].content * 300000",
        "('x' * 99999999) ~ ('x' * 99999999)",
        "'%999999999d' | format(1)",
        "'%*d' | format(999999999, 1)",
        "'%.999999999f' | format(1.5)",
        "'{:>999999999}'.format(1)",
        "('a\n' * 1000) | indent(999999999)",
        "'a\nb' | indent(width=999999999)",
        "[1] | batch(999999999, 0) | list",
        "[1] | slice(999999999) | list",
        "([0] * 9999999999) | list",
        "[0] * 9999999999",
        "range(99999) | list * 99999",
        "('x ' * 9999999).split()",
        "('x' * 50000000) | list",
        "('x\n' * 9999999).splitlines()",
        "([messages[0].content * 1000] * 1000) | tojson",
        "([messages[0].content * 1000] * 1000) | join",
        "([messages[0].content * 1000] * 1000) ~ ''",
        "([messages[0].content * 1000] * 1000) | upper",
        "([messages[0].content * 1000] * 1000) in 'x'",
        "([messages[0].content * 1000] * 1000) is in 'x'",
        "raise_exception([messages[0].content * 1000] * 1000)",
        "strftime_now('%A' * 39999999)",
        "range(99999) | map('replace', '', 'x' * 9999) | list",
    ] {
        assert_stopped(&format!("{{{{ ({expression}) | length }}}}"), MEMORY);
    }
    for source in ["{{ [messages[0].content * 1000] * 1000 }}", "{{ messages[0].content * 20000 }}"]
    {
        assert_stopped(source, OUTPUT);
    }
    let spread = "*r, ".repeat(300);
    let source = format!("{{% set r = range(99999) %}}{{{{ dict({spread}) }}}}");
    assert_stopped(&source, MEMORY);
}

#[test]
fn a_text_of_the_template_is_not_repeated_by_the_compiler() {
    let source = "{% if false %}{{ ('x' * 99999999) ~ ('y' * 99999999) }}{% endif %}a";
    let (outcome, peak) = render(source);
    assert_eq!(outcome.unwrap(), "a");
    assert!(peak < 1 << 20, "{peak} bytes at once");
}

#[test]
fn lists_of_lists_are_stopped() {
    for step in [
        "{% set ns.l = [ns.l] %}",
        "{% set ns.l = {'l': ns.l} %}",
        "{% set ns.l = ns.l | batch(1) | list %}",
        "{% set ns.l = dict(l=ns.l) %}",
    ] {
        assert_stopped(&repeated(step), DEPTH);
    }
    for step in [
        "{% set ns.l = [ns.l, ns.l] %}",
        "{% set ns.l = ns.l + ns.l %}",
        "{% set ns.l = ns.l * 2 %}",
    ] {
        assert_stopped(&repeated(step), MEMORY);
    }
    // What looks like a view of the one before is a list of its own.
    for step in [
        "{% set ns.l = ns.l[0:] %}",
        "{% set ns.l = ns.l * 1 %}",
        "{% set ns.l = ns.l | reverse %}",
        "{% set ns.l = ns.l + [] %}",
    ] {
        let source = format!("{{% for j in range(20) %}}{}{{% endfor %}}", repeated(step));
        assert_eq!(render(&source).0.unwrap(), "10".repeat(20), "{step}");
    }
}

#[test]
fn a_namespace_that_holds_itself_is_stopped() {
    for step in [
        "{% set ns.l = ns %}",
        "{% set ns.l = [ns] %}",
        "{% set ns.l = namespace(x=ns) %}",
        "{% set ns.l = {'a': {'b': ns}} %}",
    ] {
        assert_stopped(&repeated(step), "namespace cannot be");
    }
}

#[test]
fn endless_recursion_is_stopped() {
    for source in [
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{% call f() %}{% endcall %}{{ caller() }}{% endmacro %}\
         {% call f() %}{% endcall %}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ] {
        assert_stopped(source, "recursion");
    }
    for source in ["{% include 'chat_template' %}", "{% extends 'chat_template' %}"] {
        assert_stopped(source, "template not found");
    }
    let import = "{% import 'chat_template' as t %}";
    assert_stopped(import, "template not found");
}

#[test]
fn deep_texts_do_not_take_the_stack() {
    let deep = |before: &str, middle: &str, after: &str, count: usize| {
        [&before.repeat(count), middle, &after.repeat(count)].concat()
    };
    for count in [140, 190, 900, 20_000] {
        let chain = format!("{{{{ 1{} }}}}", "|abs".repeat(490));
        let branches = "{% elif 0 %}".repeat(count.min(200));
        let branches = format!("{{% if 0 %}}{branches}{chain}{{% endif %}}");
        for source in [
            deep("{% if 1 %}", &branches, "{% endif %}", count.min(140)),
            format!("{{{{ {} }}}}", deep("(", "1", ")", count)),
            format!("{{{{ {} }}}}", deep("[", "1", "]", count)),
            format!("{{{{ {}1 }}}}", "not ".repeat(count)),
            format!("{{{{ {}1 }}}}", "-".repeat(count)),
            format!("{{{{ 1{} }}}}", "+1".repeat(count)),
            format!("{{{{ 1{} }}}}", "|abs".repeat(count)),
            format!("{{{{ a{} }}}}", ".a".repeat(count)),
            format!("{{{{ a{} }}}}", "[0]".repeat(count)),
            format!("{{{{ a{} }}}}", "()".repeat(count)),
            format!("{{{{ {}1 }}}}", "1 if 1 else ".repeat(count)),
            format!("{{{{ 1{} }}}}", " and 1".repeat(count)),
            deep("{% if 1 %}", "1", "{% endif %}", count),
            deep("{% for a in [1] %}", "1", "{% endfor %}", count),
            deep("{% set x %}", "1", "{% endset %}", count),
            deep("{% macro m() %}", "1", "{% endmacro %}", count),
            format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(count)),
        ] {
            let (_, peak) = render(&source);
            assert!(peak <= MOST, "{}: {peak} bytes", &source[..20]);
        }
    }
}

#[test]
fn an_endless_loop_holds_little() {
    let nested = "{% for a in range(9999) %}".repeat(4) + &"{% endfor %}".repeat(4);
    assert_stopped(&nested, STEPS);
    let (_, peak) = render(&nested);
    assert!(peak < 2 << 20, "{peak} bytes at once");
}

#[test]
fn a_long_conversation_is_far_from_every_limit() {
    let source = "{% set ns = namespace(all='') %}{% for m in messages %}\
                  {% set ns.all = ns.all + '<' + m.role + '>' + m.content | trim + '\n' %}\
                  {% endfor %}{{ ns.all }}";
    let turn = json!({ "role": "user", "content": "0123456789".repeat(500) });
    let messages = Value::Array(vec![turn; 100]);
    let text = template(source).render(&messages, None, true).unwrap();
    assert_eq!(text.len(), 100 * (5_000 + "<user>\n".len()));
}
