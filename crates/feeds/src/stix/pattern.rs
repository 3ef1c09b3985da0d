//! STIX patterns (STIX 2.1 §9), parsed as far as their comparisons and how they hang together.

use super::lexer::{Operator, Token, tokens};

/// Deepest nesting of parentheses.
const DEEPEST: usize = 64;

/// Not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAPattern;

/// Observations: what one `[…]` demands, alone or with others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Observation {
    /// `[…]`
    One(Demand),
    /// Joined by `OR`.
    Either(Vec<Self>),
    /// Joined by `AND` or `FOLLOWEDBY`.
    Together(Vec<Self>),
}

/// What one observation demands of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Demand {
    One(Comparison),
    Either(Vec<Self>),
    All(Vec<Self>),
}

/// One comparison of a property with a constant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    /// The type of object, such as `ipv4-addr`.
    pub(super) object: String,
    /// The path of properties joined by dots, places in lists left out.
    pub(super) path: String,
    pub(super) test: Test,
}

/// What a comparison asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// To be one of these; nothing stands for a constant that is neither text nor whole number.
    Is(Vec<Option<String>>),
    /// To be this network or to lie in it.
    Within(Option<String>),
    /// Something that no single value answers, by its keyword.
    Other(&'static str),
}

/// Parses a pattern.
pub(super) fn parse(pattern: &str) -> Result<Observation, NotAPattern> {
    let tokens = tokens(pattern).ok_or(NotAPattern)?;
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        depth: 0,
    };
    let observation = parser.followed_by()?;
    match parser.tokens.next() {
        None => Ok(observation),
        Some(_) => Err(NotAPattern),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

type Parsed<T> = Result<T, NotAPattern>;

impl Parser {
    // Observations, from the loosest binding to the tightest.

    fn followed_by(&mut self) -> Parsed<Observation> {
        self.joined(
            "FOLLOWEDBY",
            Self::either_observation,
            Observation::Together,
        )
    }

    fn either_observation(&mut self) -> Parsed<Observation> {
        self.joined("OR", Self::both_observations, Observation::Either)
    }

    fn both_observations(&mut self) -> Parsed<Observation> {
        self.joined("AND", Self::observation, Observation::Together)
    }

    fn observation(&mut self) -> Parsed<Observation> {
        let observation = if self.takes(&Token::Mark('[')) {
            let demand = self.either_demand()?;
            self.expect(&Token::Mark(']'))?;
            Observation::One(demand)
        } else {
            self.parenthesised(Self::followed_by)?
        };
        self.qualifiers()?;
        Ok(observation)
    }

    /// `WITHIN n SECONDS`, `REPEATS n TIMES`, `START t'…' STOP t'…'`: they narrow when, not what.
    fn qualifiers(&mut self) -> Parsed<()> {
        loop {
            let unit = if self.takes_word("WITHIN") {
                "SECONDS"
            } else if self.takes_word("REPEATS") {
                "TIMES"
            } else if self.takes_word("START") {
                self.constant()?;
                self.expect_word("STOP")?;
                self.constant()?;
                continue;
            } else {
                return Ok(());
            };
            match self.tokens.next() {
                Some(Token::Integer(_) | Token::Float) => self.expect_word(unit)?,
                _ => return Err(NotAPattern),
            }
        }
    }

    // Comparisons inside one observation.

    fn either_demand(&mut self) -> Parsed<Demand> {
        self.joined("OR", Self::all_demands, Demand::Either)
    }

    fn all_demands(&mut self) -> Parsed<Demand> {
        self.joined("AND", Self::demand, Demand::All)
    }

    fn demand(&mut self) -> Parsed<Demand> {
        if self.tokens.peek() == Some(&Token::Mark('(')) {
            return self.parenthesised(Self::either_demand);
        }
        let mut negated = self.takes_word("NOT");
        if self.takes_word("EXISTS") {
            return Ok(Demand::One(self.property(Test::Other("EXISTS"))?));
        }
        let mut comparison = self.property(Test::Other("NOT"))?;
        negated |= self.takes_word("NOT");
        let test = self.test()?;
        if !negated {
            comparison.test = test;
        }
        Ok(Demand::One(comparison))
    }

    fn test(&mut self) -> Parsed<Test> {
        const WORDS: [&str; 3] = ["LIKE", "MATCHES", "ISSUPERSET"];
        match self.tokens.next() {
            Some(Token::Operator(operator)) => {
                let constant = self.constant()?;
                Ok(match operator {
                    Operator::Equal => Test::Is(vec![constant]),
                    Operator::NotEqual => Test::Other("NOT"),
                    Operator::Order => Test::Other("ORDER"),
                })
            }
            Some(Token::Word(word)) if word == "IN" => {
                self.expect(&Token::Mark('('))?;
                let mut constants = vec![self.constant()?];
                while self.takes(&Token::Mark(',')) {
                    constants.push(self.constant()?);
                }
                self.expect(&Token::Mark(')'))?;
                Ok(Test::Is(constants))
            }
            Some(Token::Word(word)) if word == "ISSUBSET" => Ok(Test::Within(self.constant()?)),
            Some(Token::Word(word)) => {
                let known = WORDS.into_iter().find(|known| *known == word);
                self.constant()?;
                known.map(Test::Other).ok_or(NotAPattern)
            }
            _ => Err(NotAPattern),
        }
    }

    /// `object:property.property[*].'quoted property'`
    fn property(&mut self, test: Test) -> Parsed<Comparison> {
        let object = self.name()?;
        self.expect(&Token::Mark(':'))?;
        let mut path = self.name()?;
        loop {
            if self.takes(&Token::Mark('.')) {
                path.push('.');
                path.push_str(&self.name()?);
            } else if self.takes(&Token::Mark('[')) {
                match self.tokens.next() {
                    Some(Token::Integer(_) | Token::Mark('*')) => {}
                    _ => return Err(NotAPattern),
                }
                self.expect(&Token::Mark(']'))?;
            } else {
                return Ok(Comparison { object, path, test });
            }
        }
    }

    fn name(&mut self) -> Parsed<String> {
        match self.tokens.next() {
            Some(Token::Word(name) | Token::Text(name)) => Ok(name),
            _ => Err(NotAPattern),
        }
    }

    fn constant(&mut self) -> Parsed<Option<String>> {
        match self.tokens.next() {
            Some(Token::Text(text) | Token::Integer(text)) => Ok(Some(text)),
            Some(Token::Other | Token::Float) => Ok(None),
            Some(Token::Word(word)) if word == "true" || word == "false" => Ok(None),
            _ => Err(NotAPattern),
        }
    }

    // Parts of the grammar that several rules share.

    fn joined<T>(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Parsed<T>,
        join: fn(Vec<T>) -> T,
    ) -> Parsed<T> {
        let first = part(self)?;
        if !self.takes_word(word) {
            return Ok(first);
        }
        let mut parts = vec![first, part(self)?];
        while self.takes_word(word) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn parenthesised<T>(&mut self, inside: fn(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.expect(&Token::Mark('('))?;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(NotAPattern);
        }
        let parsed = inside(self)?;
        self.depth -= 1;
        self.expect(&Token::Mark(')'))?;
        Ok(parsed)
    }

    fn takes(&mut self, token: &Token) -> bool {
        self.tokens.next_if_eq(token).is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_it = |token: &Token| matches!(token, Token::Word(found) if found == word);
        self.tokens.next_if(is_it).is_some()
    }

    fn expect(&mut self, token: &Token) -> Parsed<()> {
        if self.takes(token) {
            Ok(())
        } else {
            Err(NotAPattern)
        }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.takes_word(word) {
            Ok(())
        } else {
            Err(NotAPattern)
        }
    }
}

#[cfg(test)]
mod tests;
