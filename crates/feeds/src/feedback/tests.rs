use super::*;

const OURS: &str = "0b2f1c9e-6f0e-5c53-9d0c-6f0b5b0f4a11";

fn said(text: &str) -> Result<Vec<(String, Opinion)>, FeedError> {
    let mut said = Vec::new();
    read_feedback(text.as_bytes(), &mut |one: Said| {
        said.push((one.of.to_string(), one.opinion));
    })?;
    Ok(said)
}

#[test]
fn sightings_and_opinions_of_stix() {
    for (object, expected) in [
        (
            r#""type": "sighting", "sighting_of_ref": "REF""#,
            Some(Opinion::Agree),
        ),
        (
            r#""type": "sighting", "sighting_of_ref": "REF", "count": 4"#,
            Some(Opinion::Agree),
        ),
        (
            r#""type": "sighting", "sighting_of_ref": "REF", "count": 0"#,
            Some(Opinion::Disagree),
        ),
        (
            r#""type": "sighting", "sighting_of_ref": "REF", "labels": ["False Positive"]"#,
            Some(Opinion::FalsePositive),
        ),
        (
            r#""type": "sighting", "sighting_of_ref": "REF", "revoked": true"#,
            None,
        ),
        (
            r#""type": "opinion", "object_refs": ["REF"], "opinion": "strongly-disagree""#,
            Some(Opinion::Disagree),
        ),
        (
            r#""type": "opinion", "object_refs": ["REF"], "opinion": "agree""#,
            Some(Opinion::Agree),
        ),
        (
            r#""type": "opinion", "object_refs": ["REF"], "opinion": "neutral""#,
            None,
        ),
        (
            r#""type": "opinion", "object_refs": ["REF"], "opinion": "disagree",
               "labels": ["false-positive"]"#,
            Some(Opinion::FalsePositive),
        ),
        (r#""type": "note", "object_refs": ["REF"]"#, None),
        (
            r#""type": "sighting", "sighting_of_ref": "indicator--1""#,
            None,
        ),
    ] {
        let object = object.replace("REF", &format!("indicator--{OURS}"));
        let bundle = format!(r#"{{"type": "bundle", "objects": [{{{object}}}]}}"#);
        let expected = expected.map(|opinion| (OURS.to_owned(), opinion));
        assert_eq!(said(&bundle).unwrap(), Vec::from_iter(expected), "{object}");
    }
}

#[test]
fn sightings_of_misp() {
    let attribute = format!(
        r#"{{"Sighting": [{{"type": "0"}}, {{"type": "1"}}, {{"type": 2}}, {{"type": "9"}}],
            "uuid": "{OURS}", "value": "203.0.114.7"}}"#
    );
    let opinions = [Opinion::Agree, Opinion::FalsePositive, Opinion::Expired];
    let expected: Vec<_> = opinions.map(|one| (OURS.to_owned(), one)).into();
    for event in [
        format!(r#"{{"Event": {{"Attribute": [{attribute}]}}}}"#),
        format!(r#"{{"response": [{{"Event": {{"Attribute": [{attribute}]}}}}]}}"#),
        format!(r#"{{"Event": {{"Object": [{{"Attribute": [{attribute}]}}]}}}}"#),
    ] {
        assert_eq!(said(&event).unwrap(), expected, "{event}");
    }
}

#[test]
fn what_is_neither_says_so() {
    for text in ["{}", "[]", r#"{"type": "indicator"}"#, "3"] {
        assert!(
            matches!(said(text), Err(FeedError::NotOfFormat(_))),
            "{text}"
        );
    }
    assert!(matches!(
        said(r#"{"objects": ["#),
        Err(FeedError::Json { .. })
    ));
}
