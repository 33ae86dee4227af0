//! `{% generation %}`, the tag of Hugging Face that marks what an assistant wrote.

/// Turns the tag into `{% if true %}`, which shows the same text and trims the same whitespace:
/// what was marked matters to training only (`AssistantTracker` of transformers).
pub(super) fn without_marks(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, (inside, after))) =
        rest.split_once("{%").and_then(|(before, tail)| Some((before, tail.split_once("%}")?)))
    {
        text.push_str(before);
        text.push_str("{%");
        let name = inside.trim_matches(|character: char| "-+".contains(character));
        let instead = match name.trim() {
            "generation" => Some(inside.replacen("generation", "if true", 1)),
            "endgeneration" => Some(inside.replacen("endgeneration", "endif", 1)),
            _ => None,
        };
        match instead {
            Some(tag) => {
                text.push_str(&tag);
                text.push_str("%}");
                rest = after;
            }
            None => rest = &rest[before.len() + 2..],
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_conditions_that_always_hold() {
        let source = "a{% generation %}b{%- endgeneration -%}c {% if x %}{{ '%}' }}{% endif %}";
        let expected = "a{% if true %}b{%- endif -%}c {% if x %}{{ '%}' }}{% endif %}";
        assert_eq!(without_marks(source), expected);
    }

    #[test]
    fn any_other_text_stays() {
        for source in ["", "{%", "{% set generation = 1 %}", "%} {% {% x %} é", "{%generationx%}"]
        {
            assert_eq!(without_marks(source), source);
        }
    }
}
