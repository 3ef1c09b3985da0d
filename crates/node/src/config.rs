//! `blindmatch.toml`: what a node is and how long it keeps what it holds.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use blindmatch_indicator::IndicatorType;
use blindmatch_matches::sharing::SHARED_ABOVE;
use blindmatch_membership::{Address, Name, Role};
use blindmatch_transport::webhook;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::error::Error;

/// The file's name in the home.
pub const FILE: &str = "blindmatch.toml";

/// More bytes than it has.
pub(crate) const MAX_CONFIG: u64 = 1 << 20;

/// The most days that an indicator may be kept after it was last imported: ten years.
pub const MOST_DAYS: u32 = 3_660;

/// The most seconds that a receiver may take: five minutes.
const MOST_TIMEOUT: u16 = 300;

/// The most seconds that a node may take to stop: an hour.
const MOST_DRAIN: u16 = 3_600;

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who the node is.
    pub node: Node,
    /// Days that an indicator is kept after it was last imported, where they differ from the type's
    /// own ([`keep_days`](Self::keep_days)).
    #[serde(default)]
    keep_days: BTreeMap<Spanned<String>, u32>,
    /// How it serves.
    #[serde(default)]
    pub serve: Serve,
    /// Whom it tells of matches.
    #[serde(default)]
    pub notify: Notify,
    /// How it shows matches.
    #[serde(default)]
    pub matches: Matches,
}

/// How a node shows matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matches {
    /// An address or a network with more references of our own than this is said to be shared.
    pub shared_above: u32,
}

/// Whom a node tells of matches, of the operator's own programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// A receiver: `https://HOST[:PORT]/PATH`.
    #[serde(deserialize_with = "receiver")]
    pub webhook: Option<String>,
    /// The root certificates, PEM, one of which has to vouch for it.
    pub roots: PathBuf,
    /// Seconds that it may take for one message.
    #[serde(deserialize_with = "timeout")]
    pub timeout_seconds: u16,
    /// A file that JSON lines are appended to.
    #[serde(deserialize_with = "absolute")]
    pub spool: Option<PathBuf>,
    /// The socket of a syslog.
    #[serde(deserialize_with = "absolute")]
    pub syslog: Option<PathBuf>,
    /// Whether values are told too, of matches that an operator confirmed.
    pub values: bool,
}

/// How a node serves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// Where it listens, where that is not the address in the roster: behind a translation of
    /// addresses, or on one of several networks.
    pub listen: Option<SocketAddr>,
    /// Where it answers probes and shows its metrics: an address of this machine alone.
    #[serde(deserialize_with = "loopback")]
    pub admin: Option<SocketAddr>,
    /// Seconds that what is under way has to end when the node stops.
    #[serde(deserialize_with = "seconds")]
    pub drain_seconds: u16,
    /// What is logged.
    pub log: Level,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// What is logged: what is of this level, and all that is graver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What does not work.
    Error,
    /// What will soon not work, or is worth a look.
    Warn,
    /// What the node does.
    #[default]
    Info,
    /// Each connection.
    Debug,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Who a node is, as it will be in the roster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its member.
    #[serde(deserialize_with = "name")]
    pub member: Name,
    /// What the member is.
    #[serde(deserialize_with = "role")]
    pub role: Role,
    /// The consortium.
    #[serde(deserialize_with = "name")]
    pub consortium: Name,
    /// Where other members reach it.
    #[serde(deserialize_with = "address")]
    pub address: Address,
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub fault: String,
}

impl Config {
    /// Reads the configuration that `path` holds.
    ///
    /// # Errors
    ///
    /// [`Error::Config`].
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let text = str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let before = String::from_utf8_lossy(before);
            ConfigError::at(&before, before.len(), "this is not UTF-8".to_owned())
        });
        text.and_then(Self::parse)
            .map_err(|error| Error::Config(path.to_owned(), error))
    }

    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with the first fault.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            ConfigError::at(text, at, error.message().to_owned())
        })?;
        for (name, &days) in &config.keep_days {
            let (at, name) = (name.span().start, name.get_ref());
            let fault = match name.parse::<IndicatorType>() {
                Err(error) => error.to_string(),
                Ok(_) if !(1..=MOST_DAYS).contains(&days) => {
                    format!("`{name}` is kept for 1 to {MOST_DAYS} days")
                }
                Ok(_) => continue,
            };
            return Err(ConfigError::at(text, at, fault));
        }
        Ok(config)
    }

    /// Days that an indicator of this type is kept after it was last imported. Addresses and phones
    /// pass to others sooner than accounts do.
    #[must_use]
    pub fn keep_days(&self, indicator_type: IndicatorType) -> u32 {
        let mut own = self.keep_days.iter();
        let own = own.find(|(name, _)| name.get_ref() == indicator_type.name());
        own.map(|(_, &days)| days).unwrap_or(match indicator_type {
            IndicatorType::Ip | IndicatorType::Network => 90,
            IndicatorType::Phone
            | IndicatorType::Domain
            | IndicatorType::RegistrableDomain
            | IndicatorType::Url
            | IndicatorType::UrlHost => 365,
            _ => 730,
        })
    }
}

impl Node {
    /// The text of a first configuration.
    #[must_use]
    pub fn first_file(&self) -> String {
        let Self {
            member,
            role,
            consortium,
            address,
        } = self;
        format!(
            "# Who this node is. The consortium's roster says the same, under the same name.\n\
             [node]\n\
             member = \"{member}\"\n\
             role = \"{role}\"\n\
             consortium = \"{consortium}\"\n\
             address = \"{address}\"\n\
             \n\
             # Days that an indicator is kept after it was last imported, by type; these are the\n\
             # program's own for two of them. After that its file is written anew without it, and\n\
             # the key of the old one destroyed.\n\
             # [keep_days]\n\
             # ip = 90\n\
             # email = 730\n\
             \n\
             # How `blindmatch serve` serves; these are the program's own.\n\
             # [serve]\n\
             # listen = \"0.0.0.0:7443\"    # where it is not the address above\n\
             # admin = \"127.0.0.1:9443\"   # probes and metrics; nowhere without it\n\
             # drain_seconds = 30\n\
             # log = \"info\"               # error, warn, info or debug\n\
             # log_format = \"text\"        # or json\n\
             \n\
             # Which of your own programs are told of matches; none without it.\n\
             # [notify]\n\
             # webhook = \"https://siem.acme.example/blindmatch\"\n\
             # spool = \"/var/spool/blindmatch/matches.ndjson\"\n\
             # syslog = \"/dev/log\"\n\
             \n\
             # [matches]\n\
             # shared_above = 10           # an address of more customers of your own says little of any\n"
        )
    }
}

impl Default for Matches {
    fn default() -> Self {
        Self {
            shared_above: SHARED_ABOVE,
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            webhook: None,
            roots: "/etc/ssl/certs/ca-certificates.crt".into(),
            timeout_seconds: 30,
            spool: None,
            syslog: None,
            values: false,
        }
    }
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: None,
            admin: None,
            drain_seconds: 30,
            log: Level::default(),
            log_format: LogFormat::default(),
        }
    }
}

impl ConfigError {
    fn at(text: &str, at: usize, fault: String) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before
            .get(line_start..)
            .map_or(0, |line| line.chars().count())
            + 1;
        Self {
            line,
            column,
            fault,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            fault,
        } = self;
        write!(f, "line {line}, column {column}: {fault}")
    }
}

impl std::error::Error for ConfigError {}

fn name<'de, D: Deserializer<'de>>(value: D) -> Result<Name, D::Error> {
    parse(value, "lower-case letters, digits, inner hyphens and dots")
}

fn role<'de, D: Deserializer<'de>>(value: D) -> Result<Role, D::Error> {
    parse(value, "provider or liaison")
}

fn address<'de, D: Deserializer<'de>>(value: D) -> Result<Address, D::Error> {
    parse(value, "HOST:PORT in lower case")
}

fn loopback<'de, D: Deserializer<'de>>(value: D) -> Result<Option<SocketAddr>, D::Error> {
    let address: SocketAddr = parse(value, "IP:PORT of this machine, e.g. 127.0.0.1:9443")?;
    if address.ip().is_loopback() {
        return Ok(Some(address));
    }
    let fault = "only this machine may ask there: write a loopback address, e.g. 127.0.0.1:9443";
    Err(D::Error::custom(fault))
}

fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<u16, D::Error> {
    let seconds = u16::deserialize(value)?;
    if (1..=MOST_DRAIN).contains(&seconds) {
        return Ok(seconds);
    }
    let fault = format_args!("this should be 1 to {MOST_DRAIN} seconds");
    Err(D::Error::custom(fault))
}

fn timeout<'de, D: Deserializer<'de>>(value: D) -> Result<u16, D::Error> {
    let seconds = u16::deserialize(value)?;
    if (1..=MOST_TIMEOUT).contains(&seconds) {
        return Ok(seconds);
    }
    let fault = format_args!("this should be 1 to {MOST_TIMEOUT} seconds");
    Err(D::Error::custom(fault))
}

fn receiver<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(value)?;
    match webhook::check_url(&url) {
        Ok(()) => Ok(Some(url)),
        Err(_) => Err(D::Error::custom(
            "this should be https://HOST/PATH, without a user or a fragment",
        )),
    }
}

fn absolute<'de, D: Deserializer<'de>>(value: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(value)?;
    if path.is_absolute() {
        return Ok(Some(path));
    }
    Err(D::Error::custom("write the whole path, from / on"))
}

/// A value that is written as text, of the form that `wanted` says.
fn parse<'de, T: FromStr, D: Deserializer<'de>>(value: D, wanted: &str) -> Result<T, D::Error> {
    let text = String::deserialize(value)?;
    let fault = |_| D::Error::custom(format_args!("this should be {wanted}"));
    text.parse().map_err(fault)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn first() -> String {
        let node = Node {
            member: "acme".parse().unwrap(),
            role: Role::Provider,
            consortium: "cloudshield".parse().unwrap(),
            address: "psi.acme.example:7443".parse().unwrap(),
        };
        node.first_file()
    }

    #[test]
    fn the_first_file_says_who_the_node_is() {
        let config = Config::parse(&first()).unwrap();
        assert_eq!(config.node.first_file(), first());
        assert_eq!(config.keep_days(IndicatorType::Ip), 90);
        assert_eq!(config.keep_days(IndicatorType::Email), 730);
    }

    #[test]
    fn the_sample_has_every_option() {
        let sample = include_str!("../../../examples/blindmatch.toml");
        Config::parse(sample).unwrap();
        for section in ["matches", "node", "notify", "serve"] {
            // What is not known is told with all that is.
            let unknown =
                sample.replace(&format!("[{section}]\n"), &format!("[{section}]\nx = 1\n"));
            let fault = Config::parse(&unknown).unwrap_err().fault;
            let (_, known) = fault.split_once("expected ").unwrap();
            for option in known.trim_start_matches("one of ").split(", ") {
                let option = option.trim_matches('`');
                assert!(sample.contains(&format!("\n{option} = ")), "{option}");
            }
        }
    }

    #[test]
    fn days_are_set_by_type() {
        let config = Config::parse(&(first() + "[keep_days]\nip = 7\n")).unwrap();
        assert_eq!(config.keep_days(IndicatorType::Ip), 7);
        assert_eq!(config.keep_days(IndicatorType::Network), 90);
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let cases = [
            ("[keep_days]\nipv4 = 7\n", (2, 1), "ip"),
            ("[keep_days]\nip = 0\n", (2, 1), "1 to 3660"),
            ("[keep_days]\nip = 9999\n", (2, 1), "1 to 3660"),
            ("[keep_days]\nip = \"7\"\n", (2, 6), "u32"),
            ("[keepdays]\n", (1, 2), "keepdays"),
            ("[[\n", (1, 3), "key"),
            ("[serve]\nadmin = \"0.0.0.0:80\"\n", (2, 9), "loopback"),
            ("[serve]\nadmin = \"localhost:80\"\n", (2, 9), "IP:PORT"),
            (
                "[serve]\nlisten = \"acme.example:7443\"\n",
                (2, 10),
                "socket",
            ),
            ("[serve]\ndrain_seconds = 0\n", (2, 17), "1 to 3600"),
            ("[serve]\nlog = \"trace\"\n", (2, 7), "debug"),
            ("[serve]\nport = 1\n", (2, 1), "port"),
            (
                "[notify]\nwebhook = \"http://siem.example/\"\n",
                (2, 11),
                "https",
            ),
            ("[notify]\nspool = \"spool.ndjson\"\n", (2, 9), "whole path"),
            ("[notify]\ntimeout_seconds = 0\n", (2, 19), "1 to 300"),
            ("[notify]\nsecret = \"x\"\n", (2, 1), "secret"),
        ];
        let before = first().lines().count();
        for (added, (line, column), says) in cases {
            let error = Config::parse(&(first() + added)).unwrap_err();
            let place = (error.line, error.column);
            assert_eq!(place, (before + line, column), "{added}: {error}");
            assert!(error.fault.contains(says), "{added}: {error}");
        }
        let error = Config::parse("[node]\nmember = \"acme\"\nrole = \"boss\"\n").unwrap_err();
        assert!(error.fault.contains("provider"), "{error}");
        assert_eq!((error.line, error.column), (3, 8));
        let error = Config::parse("[node]\nmember = \"acme\"\n").unwrap_err();
        assert!(error.fault.contains("role"), "{error}");
    }
}
