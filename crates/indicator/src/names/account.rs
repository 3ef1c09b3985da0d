//! `account`: a user name on a named platform (`spec/10-indicators.md` §4.6).
//!
//! Canonical bytes: platform, `:`, name. The platform has no colon, so the form is injective.

use std::fmt;
use std::str::FromStr;

use icu_casemap::CaseMapper;
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::refuse_controls;
use crate::Refusal;
use crate::bytes::CanonicalBytes;

const LONGEST_PLATFORM: usize = 63;
const LONGEST_NAME: usize = 255;

/// The platform of account names, such as `github` or `matrix.org`: lower-case letters, digits,
/// `.` and `-`, the first a letter or digit, at most 63.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform(String);

impl FromStr for Platform {
    type Err = Refusal;

    /// Lower-cases ASCII letters; anything else that is not allowed is [`Refusal::BadPlatform`].
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let name = text.to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let good = name.len() <= LONGEST_PLATFORM
            && name.bytes().next().is_some_and(allowed)
            && name.bytes().all(|b| allowed(b) || b == b'.' || b == b'-');
        if good {
            Ok(Self(name))
        } else {
            Err(Refusal::BadPlatform)
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn parse(text: &str, default: Option<&Platform>) -> Result<CanonicalBytes, Refusal> {
    refuse_controls(text)?;
    let named;
    let (platform, name) = match text.split_once(':') {
        Some((platform, name)) => {
            named = platform.parse()?;
            (&named, name)
        }
        None => (default.ok_or(Refusal::NoPlatform)?, text),
    };
    let name = canonical_name(name)?;
    Ok(CanonicalBytes::concat(&[
        platform.0.as_bytes(),
        b":",
        name.as_bytes(),
    ]))
}

/// NFKC, full case folding and NFKC, as PRECIS UsernameCaseMapped (RFC 8265 §3.3) accepts it.
///
/// Folding and not PRECIS's own lower case, under which `ΟΔΥΣΣΕΥΣ` and `οδυσσευς` are two names.
/// A name that folding again or PRECIS would still change is refused, so that a canonical form is
/// its own canonical form.
fn canonical_name(text: &str) -> Result<Zeroizing<String>, Refusal> {
    if text.len() > 4 * LONGEST_NAME {
        return Err(Refusal::TooLong);
    }
    let name = fold(text);
    let enforced = UsernameCaseMapped::enforce(name.as_str())
        .map(|name| Zeroizing::new(name.into_owned()))
        .map_err(|_| Refusal::NotAUsername)?;
    if enforced != name || fold(&name) != name {
        Err(Refusal::NotAUsername)
    } else if name.len() > LONGEST_NAME {
        Err(Refusal::TooLong)
    } else {
        Ok(name)
    }
}

fn fold(name: &str) -> Zeroizing<String> {
    let nfkc = |text: &str| Zeroizing::new(text.nfkc().collect::<String>());
    let folded = CaseMapper::new().fold_string(&nfkc(name)).into_owned();
    nfkc(&Zeroizing::new(folded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_offence() {
        let long = format!("github:{}", "a".repeat(256));
        for (text, refusal) in [
            ("octocat", Refusal::NoPlatform),
            (":octocat", Refusal::BadPlatform),
            ("-x:octocat", Refusal::BadPlatform),
            ("git hub:octocat", Refusal::BadPlatform),
            ("github:", Refusal::NotAUsername),
            ("github:octo cat", Refusal::NotAUsername),
            ("github:octo\u{200b}cat", Refusal::NotAUsername),
            ("github:octo\ncat", Refusal::ControlCharacter),
            (long.as_str(), Refusal::TooLong),
        ] {
            assert_eq!(parse(text, None).err(), Some(refusal), "{text}");
        }
    }

    #[test]
    fn the_cases_of_a_name_are_one() {
        for (one, other) in [
            ("x:ΟΔΥΣΣΕΥΣ", "x:οδυσσευς"),
            ("x:STRASSE", "x:straße"),
            ("x:ΑΙΔΗΣ", "x:ᾳδης"),
        ] {
            let bytes = |text| parse(text, None).map(|bytes| bytes.as_slice().to_vec());
            assert!(bytes(one).is_ok(), "{one}");
            assert_eq!(bytes(one), bytes(other), "{one}");
        }
    }

    #[test]
    fn a_default_platform_serves_names_without_one() {
        let default = "GitHub".parse::<Platform>().ok();
        let bytes = |text| parse(text, default.as_ref()).map(|b| b.as_slice().to_vec());
        assert_eq!(bytes("Octocat"), Ok(b"github:octocat".to_vec()));
        assert_eq!(bytes("X:Octocat"), Ok(b"x:octocat".to_vec()));
    }
}
