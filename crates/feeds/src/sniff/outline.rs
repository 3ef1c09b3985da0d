//! The outline of a JSON document that may be cut anywhere.

/// Most keys that are looked at.
const MOST_KEYS: usize = 64;

/// What the beginning of a document shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Whether it is an array, whose first object is then the root.
    pub(super) is_array: bool,
    /// The keys of the root object.
    pub(super) keys: Vec<String>,
    /// The text under its key `type`.
    pub(super) root_type: Option<String>,
    /// Where the document ends, if it does.
    pub(super) end: Option<usize>,
}

impl Outline {
    /// Nothing where `head` does not begin an object or an array of objects: braces and brackets
    /// begin a line of a list, too.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let start = head.len() - head.trim_ascii_start().len();
        let mut outline = Self {
            is_array: match head.get(start)? {
                b'{' => false,
                b'[' => true,
                _ => return None,
            },
            ..Self::default()
        };
        let inside = head.get(start + 1..)?.trim_ascii_start();
        let is_json = match (outline.is_array, inside.first()?) {
            (true, b'{' | b']') | (false, b'}') => true,
            (false, b'"') => inside.get(1..).is_some_and(|key| {
                let end = memchr::memchr(b'"', key).and_then(|end| key.get(end + 1..));
                end.is_some_and(|behind| behind.trim_ascii_start().starts_with(b":"))
            }),
            _ => false,
        };
        if !is_json {
            return None;
        }
        outline.scan(head, start);
        Some(outline)
    }

    fn scan(&mut self, head: &[u8], start: usize) {
        let root = if self.is_array { 2 } else { 1 };
        let mut depth = 0_usize;
        let mut at = start;
        let mut last = String::new();
        while let Some(&byte) = head.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.end = Some(at);
                        return;
                    }
                }
                b'"' => {
                    let Some(end) = end_of_string(head, at) else {
                        return;
                    };
                    if depth == root {
                        let string = head.get(at..end).unwrap_or_default();
                        let string = String::from_utf8_lossy(string).into_owned();
                        let behind = head.get(end + 1..).unwrap_or_default();
                        if behind.trim_ascii_start().starts_with(b":") {
                            last.clone_from(&string);
                            if self.keys.len() < MOST_KEYS {
                                self.keys.push(string);
                            }
                        } else if last == "type" && self.root_type.is_none() {
                            self.root_type = Some(string);
                        }
                    }
                    at = end + 1;
                }
                _ => {}
            }
        }
    }
}

/// Where the string that begins at `at` has its closing quote.
fn end_of_string(head: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', head.get(at..)?)?;
        match head.get(at)? {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}
