//! `url` (`spec/10-indicators.md` §4.9). Canonical bytes: the URL as WHATWG serialises it, without
//! user info and fragment, its host in the form of `domain` or `ip`.

use std::borrow::Cow;
use std::net::IpAddr;

use url::{Host, Url};

use super::{domain, refuse_controls};
use crate::Refusal;
use crate::bytes::CanonicalBytes;
use crate::net::address;

/// RFC 9110 §4.1 asks of everybody that they handle at least this many octets.
const LONGEST: usize = 8_000;

/// Host of a canonical `url`.
pub(crate) enum UrlHost {
    /// Bytes of a `url_host`.
    Name(CanonicalBytes),
    /// Bytes of an `ip`.
    Ip(CanonicalBytes),
}

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    refuse_controls(text)?;
    if text.len() > LONGEST {
        return Err(Refusal::TooLong);
    }
    let mut url = Url::parse(&resolve_double_dots(text)).map_err(|_| Refusal::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https" | "ftp") {
        return Err(Refusal::UnsupportedScheme);
    }
    canonicalise_host(&mut url)?;
    // In WHATWG's path percent-encode set, and not in the crate's.
    if url.path().contains('^') {
        url.set_path(&url.path().replace('^', "%5E"));
    }
    url.set_fragment(None);
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    if cleared.is_err() {
        return Err(Refusal::NotAUrl);
    }
    if url.as_str().len() > LONGEST {
        return Err(Refusal::TooLong);
    }
    Ok(CanonicalBytes::new(url.as_str().as_bytes()))
}

/// The host of a canonical `url`.
pub(crate) fn host(bytes: &[u8]) -> Option<UrlHost> {
    let url = Url::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    match url.host()? {
        Host::Domain(name) => Some(UrlHost::Name(CanonicalBytes::new(name.as_bytes()))),
        Host::Ipv4(v4) => address::parse(&v4.to_string()).ok().map(UrlHost::Ip),
        Host::Ipv6(v6) => address::parse(&v6.to_string()).ok().map(UrlHost::Ip),
    }
}

/// Applies the double-dot segments of the path as WHATWG's path state does for the schemes that we
/// take.
///
/// The crate leaves a segment like `C:` where `..` should take it away, which WHATWG does in `file`
/// URLs alone.
fn resolve_double_dots(text: &str) -> Cow<'_, str> {
    let (before, query) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let authority = before.split_once(':').map_or("", |(_, behind)| behind);
    let authority = authority.trim_start_matches(['/', '\\']);
    let Some((_, path)) = authority.split_once(['/', '\\']) else {
        return text.into();
    };
    if !path.split(['/', '\\']).any(is_double_dot) {
        return text.into();
    }
    let mut segments = Vec::new();
    let mut rest = path.split(['/', '\\']).peekable();
    while let Some(segment) = rest.next() {
        let double_dot = is_double_dot(segment);
        if double_dot {
            segments.pop();
        }
        // Dots at the end leave their slash.
        if !double_dot && !is_single_dot(segment) {
            segments.push(segment);
        } else if rest.peek().is_none() {
            segments.push("");
        }
    }
    let before = before.strip_suffix(path).unwrap_or(before);
    [before, &segments.join("/"), query].concat().into()
}

fn is_single_dot(segment: &str) -> bool {
    segment == "." || segment.eq_ignore_ascii_case("%2e")
}

fn is_double_dot(segment: &str) -> bool {
    ["..", ".%2e", "%2e.", "%2e%2e"]
        .iter()
        .any(|dots| segment.eq_ignore_ascii_case(dots))
}

/// Gives the host the form of `domain` or `ip`, by whose rules it may also be refused: a URL on
/// `localhost` or in a private network says nothing to another member.
fn canonicalise_host(url: &mut Url) -> Result<(), Refusal> {
    let ip: IpAddr = match url.host().ok_or(Refusal::NotAUrl)? {
        Host::Domain(written) => {
            let name = domain::canonical(written)?;
            if name == written {
                return Ok(());
            }
            // WHATWG keeps the dot of the root.
            let name = name.into_owned();
            return url.set_host(Some(&name)).map_err(|_| Refusal::NotAUrl);
        }
        Host::Ipv4(v4) => v4.into(),
        Host::Ipv6(v6) => v6.into(),
    };
    address::parse(&ip.to_string())?;
    // An IPv4-mapped IPv6 address is the IPv4 address.
    url.set_ip_host(ip.to_canonical())
        .map_err(|()| Refusal::NotAUrl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_offence() {
        let long = format!("http://example.com/{}", "a".repeat(LONGEST));
        let grows = format!("http://example.com/{}", "é".repeat(2_000));
        for (text, refusal) in [
            ("example.com/path", Refusal::NotAUrl),
            ("http://", Refusal::NotAUrl),
            ("http://exa mple.com/", Refusal::NotAUrl),
            ("http://example.com:65536/", Refusal::NotAUrl),
            ("mailto:jane@example.com", Refusal::UnsupportedScheme),
            ("file:///etc/passwd", Refusal::UnsupportedScheme),
            ("http://localhost/", Refusal::SingleLabel),
            ("http://0x7f.1/", Refusal::NotGlobal),
            ("http://[::ffff:10.0.0.1]/", Refusal::NotGlobal),
            ("http://a!b.com/", Refusal::NotADomain),
            ("http://example.com/a\tb", Refusal::ControlCharacter),
            (long.as_str(), Refusal::TooLong),
            (grows.as_str(), Refusal::TooLong),
        ] {
            assert_eq!(parse(text).err(), Some(refusal), "{text}");
        }
    }

    #[test]
    fn the_host_takes_the_form_of_its_own_type() {
        for (text, canonical) in [
            ("http://u:p@EXAMPLE.com.:80/?#f", "http://example.com/?"),
            ("http://[::ffff:8.8.8.8]/", "http://8.8.8.8/"),
            ("https://134744072/", "https://8.8.8.8/"),
            ("ftp://example.com/a^b?c^d", "ftp://example.com/a%5Eb?c^d"),
        ] {
            let bytes = parse(text).map(|bytes| bytes.as_slice().to_vec());
            assert_eq!(bytes, Ok(canonical.as_bytes().to_vec()), "{text}");
        }
    }

    #[test]
    fn double_dots_take_a_drive_letter_away() {
        for (text, canonical) in [
            ("http://a.com/B:/../x", "http://a.com/x"),
            ("http://a.com\\c|\\%2E.?/../y", "http://a.com/?/../y"),
            ("http:a.com/x/C:/..", "http://a.com/x/"),
            ("http://a.com/x/./C:/../../..#/", "http://a.com/"),
        ] {
            let bytes = parse(text).map(|bytes| bytes.as_slice().to_vec());
            assert_eq!(bytes, Ok(canonical.as_bytes().to_vec()), "{text}");
        }
    }
}
