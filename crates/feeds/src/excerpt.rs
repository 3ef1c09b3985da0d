//! The shape of a value, for reports that must not show it.

/// Longest shape shown.
const SHOWN: usize = 40;

/// The shape of `text`: letters become `a` or `A`, digits `9`, ASCII punctuation and spaces stay,
/// anything else becomes `?`. After 40 characters it ends in how many there are.
///
/// ```
/// assert_eq!(blindmatch_feeds::excerpt("Jane.Doe+7@example.com"), "Aaaa.Aaa+9@aaaaaaa.aaa");
/// assert_eq!(blindmatch_feeds::excerpt(&"7".repeat(50)), "9".repeat(40) + "… (50 characters)");
/// ```
#[must_use]
pub fn excerpt(text: &str) -> String {
    let mut characters = text.chars();
    let mut shape: String = characters.by_ref().take(SHOWN).map(redact).collect();
    let rest = characters.count();
    if rest > 0 {
        shape.push_str(&format!("… ({} characters)", SHOWN + rest));
    }
    shape
}

fn redact(character: char) -> char {
    match character {
        ' ' => ' ',
        c if c.is_ascii_punctuation() => c,
        c if c.is_uppercase() => 'A',
        c if c.is_alphabetic() => 'a',
        c if c.is_numeric() => '9',
        _ => '?',
    }
}
