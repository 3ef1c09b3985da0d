//! How much of everything, and for how long (`spec/60-transport.md` §7).

use std::fmt;
use std::time::Duration;

use crate::frames::FIRST_CREDIT;

const KIB: u32 = 1_024;

/// How many times its default anything may be.
const CEILING: u64 = 8;

/// What one node allows. The defaults are those of the specification; [`Limits::check`] holds what
/// an operator sets against what is compiled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once on one connection.
    pub streams: u32,
    /// Connections of one peer.
    pub connections_per_peer: usize,
    /// Connections of all peers.
    pub connections: usize,
    /// Handshakes at once; with one more, the oldest is given up.
    pub handshakes: usize,
    /// Calls at once of one peer.
    pub calls_per_peer: usize,
    /// Calls at once of all peers.
    pub calls: usize,
    /// Calls that a peer may begin in a second, for long.
    pub rate: u32,
    /// Calls that a peer may begin at once, after a pause.
    pub burst: u32,
    /// Headers of one call, in bytes.
    pub headers: u32,
    /// What may be on the way to us on one stream, in bytes.
    pub stream_window: u32,
    /// What may be on the way to us on one connection, in bytes.
    pub connection_window: u32,
    /// What a peer may send on a run before we have read it, in bytes as credit counts them.
    pub credit: u64,
    /// Until a TCP connection that we open is there.
    pub connect: Duration,
    /// Until a TLS handshake is done.
    pub handshake: Duration,
    /// Until the HTTP/2 preface has arrived after that.
    pub preface: Duration,
    /// Until a ping is sent to a silent peer.
    pub keepalive: Duration,
    /// Until the answer to it has to be there.
    pub keepalive_answer: Duration,
    /// How long a connection without a call stays open.
    pub idle: Duration,
    /// How long a connection takes new calls.
    pub age: Duration,
    /// How long calls may go on after that.
    pub grace: Duration,
    /// Until a call that is not a stream has its answer.
    pub call: Duration,
    /// How long a stream may take as a whole.
    pub stream: Duration,
    /// How long we wait for a peer to take what we send on a stream.
    pub stall: Duration,
    /// How long we wait for the peer's next message on a stream.
    pub silence: Duration,
    /// How often the members at open connections are looked at again, besides each change.
    pub recheck: Duration,
}

/// A limit that is none, or above its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitsError {
    /// A number is 0 or above eight times its default, or credit does not cover the longest frame.
    Number,
    /// A time is 0 or above eight times its default.
    Time,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            streams: 16,
            connections_per_peer: 4,
            connections: 256,
            handshakes: 256,
            calls_per_peer: 48,
            calls: 512,
            rate: 100,
            burst: 200,
            headers: 16 * KIB,
            stream_window: 256 * KIB,
            connection_window: 512 * KIB,
            credit: 1 << 20,
            connect: seconds(5),
            handshake: seconds(5),
            preface: seconds(5),
            keepalive: seconds(20),
            keepalive_answer: seconds(10),
            idle: seconds(60),
            age: seconds(3_600),
            grace: seconds(60),
            call: seconds(30),
            stream: seconds(3_600),
            stall: seconds(120),
            silence: seconds(900),
            recheck: seconds(2),
        }
    }
}

impl Limits {
    /// Checks that nothing is 0 or above eight times its default, and that credit covers the longest
    /// frame.
    ///
    /// # Errors
    ///
    /// [`LimitsError`].
    pub fn check(&self) -> Result<(), LimitsError> {
        let default = Self::default();
        if !within(self.numbers(), default.numbers()) || self.credit < FIRST_CREDIT {
            return Err(LimitsError::Number);
        }
        if !within(self.milliseconds(), default.milliseconds()) {
            return Err(LimitsError::Time);
        }
        Ok(())
    }

    fn numbers(&self) -> [u64; 12] {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        [
            self.streams.into(),
            number(self.connections_per_peer),
            number(self.connections),
            number(self.handshakes),
            number(self.calls_per_peer),
            number(self.calls),
            self.rate.into(),
            self.burst.into(),
            self.headers.into(),
            self.stream_window.into(),
            self.connection_window.into(),
            self.credit,
        ]
    }

    fn milliseconds(&self) -> [u64; 13] {
        [
            self.connect,
            self.handshake,
            self.preface,
            self.keepalive,
            self.keepalive_answer,
            self.idle,
            self.age,
            self.grace,
            self.call,
            self.stream,
            self.stall,
            self.silence,
            self.recheck,
        ]
        .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}

fn within<const N: usize>(values: [u64; N], defaults: [u64; N]) -> bool {
    let mut pairs = values.into_iter().zip(defaults);
    pairs.all(|(value, default)| (1..=default.saturating_mul(CEILING)).contains(&value))
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number is 0, or above eight times its default",
            Self::Time => "a time is 0, or above eight times its default",
        })
    }
}

impl std::error::Error for LimitsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_floor_and_a_ceiling() {
        let good = Limits::default();
        assert_eq!(good.check(), Ok(()));
        let changed = |change: fn(&mut Limits)| {
            let mut limits = good.clone();
            change(&mut limits);
            limits.check()
        };
        assert_eq!(changed(|it| it.streams = 128), Ok(()));
        assert_eq!(changed(|it| it.streams = 129), Err(LimitsError::Number));
        assert_eq!(changed(|it| it.connections = 0), Err(LimitsError::Number));
        assert_eq!(changed(|it| it.credit = FIRST_CREDIT), Ok(()));
        assert_eq!(changed(|it| it.credit = 1), Err(LimitsError::Number));
        assert_eq!(changed(|it| it.idle *= 8), Ok(()));
        assert_eq!(changed(|it| it.idle *= 9), Err(LimitsError::Time));
        assert_eq!(changed(|it| it.age = Duration::MAX), Err(LimitsError::Time));
        assert_eq!(
            changed(|it| it.call = Duration::ZERO),
            Err(LimitsError::Time)
        );
    }
}
