//! Undoing what publishers do so that nobody clicks on an indicator by accident.
//!
//! Bracketed separators (`[.]`, `(dot)`, `{@}`, `[://]` …) become the separators, and the schemes
//! `hxxp`, `hxxps` and `fxp` the real ones. Other brackets stay: an IPv6 host in a URL has them.

use std::borrow::Cow;

/// What stands between the brackets, in lower case, and what it stands for.
const SEPARATORS: [(&str, &str); 9] = [
    (".", "."),
    ("dot", "."),
    (":", ":"),
    ("://", "://"),
    ("/", "/"),
    ("//", "//"),
    ("@", "@"),
    ("at", "@"),
    ("-", "-"),
];
/// Longest of them.
const LONGEST: usize = 3;

const SCHEMES: [(&str, &str); 3] = [("hxxps", "https"), ("hxxp", "http"), ("fxp", "ftp")];

/// `text` without its fangs drawn, or `text` itself where none were.
pub(crate) fn refang(text: &str) -> Cow<'_, str> {
    let mut buffer = String::new();
    if refang_into(text, &mut buffer) {
        Cow::Owned(buffer)
    } else {
        Cow::Borrowed(text)
    }
}

/// Writes the refanged `text` over `buffer`, or leaves it alone and says so.
pub(crate) fn refang_into(text: &str, buffer: &mut String) -> bool {
    let scheme = defanged_scheme(text);
    let first = next_separator(text);
    if scheme.is_none() && first.is_none() {
        return false;
    }
    buffer.clear();
    let mut rest = text;
    if let Some((defanged, real)) = scheme {
        buffer.push_str(real);
        rest = text.get(defanged.len()..).unwrap_or_default();
    }
    while let Some((before, separator, behind)) = next_separator(rest) {
        buffer.push_str(before);
        buffer.push_str(separator);
        rest = behind;
    }
    buffer.push_str(rest);
    true
}

/// A scheme of [`SCHEMES`] at the beginning, with something like `://` behind it.
fn defanged_scheme(text: &str) -> Option<(&'static str, &'static str)> {
    if !matches!(text.as_bytes().first(), Some(b'h' | b'H' | b'f' | b'F')) {
        return None;
    }
    SCHEMES.into_iter().find(|(defanged, _)| {
        let behind = text.as_bytes().get(defanged.len());
        text.get(..defanged.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(defanged))
            && matches!(behind, Some(b':' | b'[' | b'(' | b'{'))
    })
}

/// What stands before the next bracketed separator, the separator, and what stands behind.
fn next_separator(text: &str) -> Option<(&str, &'static str, &str)> {
    let mut from = 0;
    loop {
        let bytes = text.as_bytes().get(from..)?;
        let open = from + memchr::memchr3(b'[', b'(', b'{', bytes)?;
        let close = match text.as_bytes().get(open)? {
            b'[' => ']',
            b'(' => ')',
            _ => '}',
        };
        // The first LONGEST bytes may end inside a character, hence the search by bytes.
        let inside = text.as_bytes().get(open + 1..)?;
        let length = inside
            .iter()
            .take(LONGEST + 1)
            .position(|&byte| byte == close as u8);
        if let Some(length) = length {
            let inside = text.get(open + 1..open + 1 + length)?;
            let found = SEPARATORS
                .into_iter()
                .find(|(bracketed, _)| inside.eq_ignore_ascii_case(bracketed));
            if let Some((_, separator)) = found {
                return Some((text.get(..open)?, separator, text.get(open + length + 2..)?));
            }
        }
        from = open + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_what_publishers_do() {
        for (defanged, real) in [
            ("evil[.]example(.)com", "evil.example.com"),
            ("evil{.}com", "evil.com"),
            ("1.2.3[.]4", "1.2.3.4"),
            ("evil[dot]com", "evil.com"),
            ("evil(DOT)com", "evil.com"),
            ("jane[at]evil[.]com", "jane@evil.com"),
            ("jane[@]evil.com", "jane@evil.com"),
            ("hxxp://evil.com/", "http://evil.com/"),
            ("hXXps[:]//evil[.]com/a", "https://evil.com/a"),
            ("http[://]evil.com", "http://evil.com"),
            ("hxxps[://]evil.com", "https://evil.com"),
            ("fxp://evil.com", "ftp://evil.com"),
            ("2001[:]db8[:]:1", "2001:db8::1"),
        ] {
            assert_eq!(refang(defanged), real, "{defanged}");
        }
    }

    #[test]
    fn leaves_everything_else_alone() {
        for text in [
            "http://[2001:db8::1]/",
            "http://[::]/",
            "https://evil.com/a(b)c",
            "hxxpert.com",
            "fxp.com",
            "x[",
            "[.",
            "(é)(dö",
            "",
        ] {
            assert!(matches!(refang(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
