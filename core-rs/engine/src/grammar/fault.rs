use super::compiler::LIMITS;

/// What `llguidance` says when a limit is passed, and the limit that it does not name itself.
const LIMIT_OF: [(&str, &str); 9] = [
    ("too many expressions constructed", "step_lexer_fuel"),
    ("too many states", "max_lexer_states"),
    ("lexer precomputation failed", "initial_lexer_fuel"),
    ("initial lexer configuration", "initial_lexer_fuel"),
    ("fuel exhausted", "initial_lexer_fuel"),
    ("grammar size", "max_grammar_size"),
    ("Current row has", "max_items_in_row"),
    ("max items", "step_max_items"),
    ("Too many items", "step_max_items"),
];

/// Longest part of an error that is told, characters.
const LONGEST_PART: usize = 160;

/// The first line of an error, with the reason that the parser of expressions gives at the end and
/// the limit that was passed: neither traces nor much of what the request said goes further.
pub(super) fn explain(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let line = line.strip_prefix("panic: ").unwrap_or(line).trim_end_matches("<non-verbose/>");
    let mut told: String = line.chars().take(LONGEST_PART).collect();
    if told.len() < line.len() {
        told.push('…');
    }
    if let Some(reason) = error.lines().skip(1).find_map(|line| line.strip_prefix("error: ")) {
        told.extend(": ".chars().chain(reason.chars().take(LONGEST_PART)));
    }
    if let Some((_, name)) = LIMIT_OF.iter().find(|(said, _)| line.contains(said)) {
        told.extend([" (limit `", name, "` = ", &value_of(name).to_string(), ")"]);
    }
    told
}

fn value_of(limit: &str) -> u64 {
    match limit {
        "step_lexer_fuel" => LIMITS.step_lexer_fuel,
        "initial_lexer_fuel" => LIMITS.initial_lexer_fuel,
        "max_lexer_states" => LIMITS.max_lexer_states as u64,
        "max_grammar_size" => LIMITS.max_grammar_size as u64,
        "max_items_in_row" => LIMITS.max_items_in_row as u64,
        _ => LIMITS.step_max_items as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_limit_is_named_with_its_value() {
        assert_eq!(
            explain("lexer error: too many expressions constructed\n<state>secret"),
            "lexer error: too many expressions constructed (limit `step_lexer_fuel` = 200000)"
        );
        for (said, name) in LIMIT_OF {
            assert!(explain(said).contains(&format!("`{name}` = ")), "{said}");
        }
    }

    #[test]
    fn traces_stay_inside() {
        assert_eq!(explain("panic: no\n<backtrace>\n1: main"), "no");
        assert_eq!(explain("Unknown format: x"), "Unknown format: x");
    }

    #[test]
    fn a_long_error_keeps_its_reason() {
        let long = explain(&format!("bad {}\n  ((((\nerror: nested too deep", "(".repeat(900)));
        assert!(long.starts_with("bad ((((") && long.ends_with("…: nested too deep"), "{long}");
        assert!(long.len() < 250);
    }
}
