//! A template's instructions with checks of what they make.
//!
//! minijinja counts the steps of a template, not the memory that a step takes: `s + s` is one step
//! of any size. So what makes values or writes text is followed, or where one step can make much
//! of little preceded, by a filter of ours. Their names are none that a template can write.

use std::collections::BTreeMap;

use minijinja::machinery::{Instruction, Instructions};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::limits::{ITEM, Limits, text_of};

/// Counts a value that was made.
const MADE: &str = "(made)";
/// Counts text of the template itself, given its length.
const WRITTEN: &str = "(written)";
/// Looks at what is stored in a namespace.
const STORED: &str = "(stored)";
/// Look at the list of operands before an operation; give it back with the last first.
const ADDS: &str = "(adds)";
const JOINS: &str = "(joins)";
const REPEATS: &str = "(repeats)";
const SPREADS: &str = "(spreads)";
/// In no table of the machine that looks filters up.
const UNCACHED: u8 = u8::MAX;

/// Adds the checks.
pub(super) fn install(environment: &mut Environment) {
    environment.add_filter(MADE, |state: &State, value: Value| Limits::of(state).made(value));
    environment.add_filter(WRITTEN, |state: &State, bytes: usize| Limits::of(state).write(bytes));
    environment.add_filter(STORED, |value: Value| {
        if holds_namespace(&value) {
            let message = "a namespace cannot be stored in a namespace";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        Ok(value)
    });
    environment.add_filter(ADDS, |state: &State, operands: Vec<Value>| {
        let length = |value: &Value| value.as_str().map_or(0, str::len);
        checked(state, operands, |operands| operands.iter().map(length).sum())
    });
    environment
        .add_filter(JOINS, |state: &State, operands: Vec<Value>| checked(state, operands, text_of));
    environment.add_filter(REPEATS, |state: &State, operands: Vec<Value>| {
        checked(state, operands, |operands| {
            let times = operands.iter().filter_map(Value::as_usize).max().unwrap_or(0);
            let length = operands.iter().filter_map(Value::as_str).map(str::len).max();
            times.saturating_mul(length.unwrap_or(0))
        })
    });
    environment.add_filter(SPREADS, |state: &State, operands: Vec<Value>| {
        let bytes = |value: &Value| value.len().unwrap_or(0) * ITEM;
        checked(state, operands, |operands| operands.iter().map(bytes).sum())
    });
}

fn checked(
    state: &State,
    mut operands: Vec<Value>,
    bytes: impl FnOnce(&[Value]) -> usize,
) -> Result<Value, Error> {
    Limits::of(state).fits(bytes(&operands))?;
    operands.reverse();
    Ok(operands.into())
}

/// A filter, a function or a method with checks: what it could make at most, and what it made.
pub(super) fn call(
    state: &State,
    most: usize,
    operation: impl FnOnce() -> Result<Value, Error>,
) -> Result<Value, Error> {
    let limits = Limits::of(state);
    limits.fits(most)?;
    limits.made(operation()?)
}

/// Whether it is a namespace, or holds one: those in each other would never be freed.
pub(super) fn holds_namespace(value: &Value) -> bool {
    let Some(object) = value.as_object() else { return false };
    if object.type_name().ends_with("::Namespace") {
        return true;
    }
    let mut held = object.try_iter_pairs().into_iter().flatten();
    held.any(|(key, value)| holds_namespace(&key) || holds_namespace(&value))
}

/// Instructions with their checks.
pub(super) fn with_checks<'a>(plain: &Instructions<'a>) -> Instructions<'a> {
    let mut checked = Instructions::new(plain.name(), plain.source());
    let numbers = 0..;
    let all: Vec<_> = numbers.map_while(|at| Some((at, plain.get(at)?))).collect();
    let mut places = vec![0];
    for (_, instruction) in &all {
        let mut count = 0;
        expand(instruction, |_| count += 1);
        places.push(places.last().copied().unwrap_or(0) + count);
    }
    let place = |at: u32| places.get(at as usize).copied().unwrap_or(at);
    for (at, instruction) in all {
        let span = plain.get_span(at);
        let line = plain.get_line(at).unwrap_or(0);
        expand(instruction, |each| {
            let each = moved(each, place);
            match span {
                Some(span) => checked.add_with_span(each, span),
                None => checked.add_with_line(each, line as u16),
            };
        });
    }
    checked
}

/// The same for the blocks of a template.
pub(super) fn blocks_with_checks<'a>(
    plain: &BTreeMap<&'a str, Instructions<'a>>,
) -> BTreeMap<&'a str, Instructions<'a>> {
    plain.iter().map(|(name, block)| (*name, with_checks(block))).collect()
}

fn expand<'a>(instruction: &Instruction<'a>, mut add: impl FnMut(Instruction<'a>)) {
    use Instruction as I;
    let mut check = |name, operands| {
        add(I::BuildList(Some(operands)));
        add(filter(name));
        add(I::UnpackList(operands));
    };
    match instruction {
        I::Add => check(ADDS, 2),
        I::StringConcat | I::In | I::CompareAndPreserve(_) => check(JOINS, 2),
        I::Mul => check(REPEATS, 2),
        I::UnpackLists(count) => check(SPREADS, *count),
        I::EmitRaw(text) => {
            add(I::LoadConst(text.len().into()));
            add(filter(WRITTEN));
            add(I::DiscardTop);
        }
        I::SetAttr(_) => {
            add(I::Swap);
            add(filter(STORED));
            add(I::Swap);
        }
        _ => {}
    }
    add(instruction.clone());
    let makes = matches!(
        instruction,
        I::Add | I::StringConcat | I::Mul | I::Slice | I::BuildList(_) | I::BuildMap(_)
    );
    if makes {
        add(filter(MADE));
    }
}

const fn filter(name: &'static str) -> Instruction<'static> {
    Instruction::ApplyFilter(name, Some(1), UNCACHED)
}

/// The instruction with its target where that one is after all were expanded.
fn moved(instruction: Instruction<'_>, place: impl Fn(u32) -> u32) -> Instruction<'_> {
    use Instruction as I;
    match instruction {
        I::Iterate(target) => I::Iterate(place(target)),
        I::Jump(target) => I::Jump(place(target)),
        I::JumpIfFalse(target) => I::JumpIfFalse(place(target)),
        I::JumpIfFalseOrPop(target) => I::JumpIfFalseOrPop(place(target)),
        I::JumpIfTrueOrPop(target) => I::JumpIfTrueOrPop(place(target)),
        I::BuildMacro(name, target, flags) => I::BuildMacro(name, place(target), flags),
        other => other,
    }
}
