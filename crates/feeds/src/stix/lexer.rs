//! Tokens of a STIX pattern (STIX 2.1 §9.2).

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, the name of an object type or of a property.
    Word(String),
    /// `'…'`, its escapes undone.
    Text(String),
    /// `h'…'`, `b'…'` or `t'…'`.
    Other,
    /// A whole number, as written.
    Integer(String),
    /// A number with a fraction.
    Float,
    /// `[ ] ( ) , : . *`
    Mark(char),
    /// `= != < <= > >=` and their other writings.
    Operator(Operator),
}

/// A comparison by sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Order,
}

/// Splits a pattern into tokens; nothing where it has something else in it.
pub(super) fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    loop {
        rest = skip_space(rest)?;
        let Some(first) = rest.chars().next() else {
            return Some(tokens);
        };
        let (token, behind) = match first {
            '\'' => text(rest.strip_prefix('\'')?).map(|(text, b)| (Token::Text(text), b))?,
            'h' | 'b' | 't' if rest.get(1..)?.starts_with('\'') => {
                (Token::Other, text(rest.get(2..)?)?.1)
            }
            '[' | ']' | '(' | ')' | ',' | ':' | '.' | '*' => (Token::Mark(first), rest.get(1..)?),
            '=' | '!' | '<' | '>' => operator(rest)?,
            '0'..='9' | '-' | '+' => number(rest)?,
            c if c.is_alphabetic() || c == '_' => {
                let is_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                let (word, behind) = split_while(rest, is_of_word);
                (Token::Word(word.to_owned()), behind)
            }
            _ => return None,
        };
        tokens.push(token);
        rest = behind;
    }
}

/// Skips white space and comments, `/* … */` and `//` to the end of the line.
fn skip_space(mut rest: &str) -> Option<&str> {
    loop {
        rest = rest.trim_start();
        rest = if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/")?.1
        } else if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, behind)| behind)
        } else {
            return Some(rest);
        };
    }
}

/// The text up to the closing quote, and what is behind it. `\'` and `\\` are escapes; before
/// anything else a backslash is one.
fn text(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let at = rest.find(['\'', '\\'])?;
        text.push_str(rest.get(..at)?);
        let behind = rest.get(at + 1..)?;
        if rest.get(at..)?.starts_with('\'') {
            return Some((text, behind));
        }
        rest = match behind.chars().next()? {
            escaped @ ('\'' | '\\') => {
                text.push(escaped);
                behind.get(1..)?
            }
            _ => {
                text.push('\\');
                behind
            }
        };
    }
}

fn operator(rest: &str) -> Option<(Token, &str)> {
    const OPERATORS: [(&str, Operator); 8] = [
        ("==", Operator::Equal),
        ("=", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<>", Operator::NotEqual),
        ("<=", Operator::Order),
        (">=", Operator::Order),
        ("<", Operator::Order),
        (">", Operator::Order),
    ];
    OPERATORS.iter().find_map(|(sign, operator)| {
        let behind = rest.strip_prefix(sign)?;
        Some((Token::Operator(*operator), behind))
    })
}

fn number(rest: &str) -> Option<(Token, &str)> {
    let (sign, digits) = match rest.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", rest.strip_prefix('+').unwrap_or(rest)),
    };
    let (whole, behind) = split_while(digits, |c| c.is_ascii_digit());
    if let Some(fraction) = behind.strip_prefix('.') {
        let (fraction, behind) = split_while(fraction, |c| c.is_ascii_digit());
        return (!fraction.is_empty()).then_some((Token::Float, behind));
    }
    (!whole.is_empty()).then(|| (Token::Integer(format!("{sign}{whole}")), behind))
}

fn split_while(text: &str, is: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
