use super::*;

fn sniffed(head: &str) -> Result<Format, FeedError> {
    let judge = Judge {
        options: &Options::default(),
        canonicaliser: &crate::testing::canonicaliser(),
    };
    sniff(head.as_bytes(), true, judge)
}

#[test]
fn knows_formats_by_their_beginning() {
    for (head, format) in [
        ("8.8.8.8\n1.1.1.1\n", Format::Plain),
        ("8.8.8.8\t10\n1.1.1.1\t9\n", Format::Plain),
        ("# a, b\n8.8.8.8\n", Format::Plain),
        ("[.]8.8.8\n", Format::Plain),
        ("{.}8.8.8\n", Format::Plain),
        ("[2001:db8::1]\n", Format::Plain),
        ("http://evil.com/a,b\nhttp://evil.com/\n", Format::Plain),
        ("ip\n8.8.8.8\n", Format::Csv),
        ("ip,count\n8.8.8.8,10\n", Format::Csv),
        ("8.8.8.8,spam\n1.1.1.1,scan\n", Format::Csv),
        ("8.8.8.8;spam;1\n1.1.1.1;scan;1\n", Format::Csv),
        ("ip\tcount\n8.8.8.8\t10\n", Format::Tsv),
        ("{\"ip\":1}\n{\"ip\":2}\n", Format::Jsonl),
        ("{\"ip\":1}\n", Format::Jsonl),
        ("{\"ip\":1}\n[1,2]\n{\"ip\":2}\n", Format::Jsonl),
        ("{\"ip\":1}\r\n\r\nbroken", Format::Jsonl),
        ("{\"Event\":{\"id\":\"1\"}}\n\n", Format::Misp),
        ("{\"Event\":1}\n{\"Event\":2}\n", Format::Jsonl),
        ("{\"type\": \"bundle\", \"id\": 1", Format::Stix),
        ("{\"id\": \"x\", \"objects\": [{\"type\": \"a", Format::Stix),
        ("{\"response\":[{", Format::Misp),
        ("{\"Event\":{\"id\":\"1\"}}", Format::Misp),
        ("[{\"Event\":{\"id\":\"1\"}}]", Format::Misp),
    ] {
        assert_eq!(sniffed(head), Ok(format), "{head}");
    }
}

#[test]
fn says_what_json_it_is_not() {
    for (head, error) in [
        ("[{\"ip\":\"8.8.8.8\"}]", FeedError::UnknownJson),
        ("{\n \"ip\": \"8.8.8.8\"\n}\n", FeedError::UnknownJson),
        ("{\"a\": [", FeedError::UnknownJson),
        (
            "{\"55ea3ecf-4a00-4f7d-b51c-4f16950d210f\": {\"info\": \"x\"}}",
            FeedError::ManifestAlone,
        ),
    ] {
        assert_eq!(sniffed(head), Err(error), "{head}");
    }
}
