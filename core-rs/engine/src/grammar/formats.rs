use serde_json::{Value, json};

/// Keys whose values are data and not schemas.
const DATA: [&str; 5] = ["const", "enum", "default", "examples", "x-guidance"];

/// A year that RFC 3339's calendar gives a 29 February (appendix C), any other day but that one, or
/// that day.
const REAL_DAY: &str = concat!(
    "^([0-9]{4}-((0[13-9]|1[0-2])-[0-9]{2}|02-([01][0-9]|2[0-8]))",
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
);

/// A mail address of RFC 5321 with a plain local part, at a name of at least two labels.
const MAIL: &str = concat!(
    r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*",
    r"@[A-Za-z0-9]+(-[A-Za-z0-9]+)*(\.[A-Za-z0-9]+(-[A-Za-z0-9]+)*)+$"
);

/// Formats of which the library's grammar allows more than validators take: 29 February in every
/// year; a scheme with nothing behind it; a mail address at one bare name.
const NARROWER: [(&str, &str); 4] =
    [("date", REAL_DAY), ("date-time", REAL_DAY), ("uri", "^[^:]+:."), ("email", MAIL)];

/// Narrows the formats of a schema to what validators agree on.
pub(super) fn narrow_formats(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(narrow_formats),
        Value::Object(keys) => {
            for (_, inner) in keys.iter_mut().filter(|(key, _)| !DATA.contains(&key.as_str())) {
                narrow_formats(inner);
            }
            let format = keys.get("format").and_then(Value::as_str);
            let Some((name, pattern)) = NARROWER.iter().find(|(name, _)| format == Some(name))
            else {
                return;
            };
            if *name == "email" {
                // Both together are too large: the pattern says it all.
                keys.remove("format");
            }
            if let Value::Array(all) = keys.entry("allOf").or_insert_with(|| json!([])) {
                all.push(json!({ "pattern": pattern }));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_is_not_in_the_calendar_does_not_match() {
        let days = jsonschema::validator_for(&json!({ "pattern": REAL_DAY })).unwrap();
        for day in ["2024-02-29", "2000-02-29", "2023-02-28", "1900-12-31", "0004-02-29T00:00"] {
            assert!(days.is_valid(&json!(day)), "{day}");
        }
        for day in ["2023-02-29", "1900-02-29", "4955-02-29", "2100-02-29T10:00:00Z"] {
            assert!(!days.is_valid(&json!(day)), "{day}");
        }
    }

    #[test]
    fn only_schemas_are_changed() {
        let mut schema = json!({
            "const": { "format": "date" },
            "properties": { "format": { "type": "string" }, "day": { "format": "date" } },
        });
        narrow_formats(&mut schema);
        assert_eq!(schema["const"], json!({ "format": "date" }));
        assert_eq!(schema["properties"]["format"], json!({ "type": "string" }));
        assert_eq!(schema["properties"]["day"]["allOf"][0]["pattern"], REAL_DAY);
    }
}
