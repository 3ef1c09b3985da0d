//! What a proposal looks like beside those before it (`spec/50-policy.md` §7).

use blindmatch_audit::receipt::Side;
use blindmatch_audit::record::{Event, Level, Name, Signal};
use blindmatch_policy::{self as policy, Concern, LedgerFacts, Request, concern};
use tracing::warn;

use crate::error::Error;
use crate::exchange::daemon::Daemon;
use crate::exchange::view::View;

impl Daemon {
    /// Records what a proposal looks like, each level once a day. Gives it where it was recorded. Writes
    /// the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`], those of the index.
    pub(super) fn record_concern(
        &self,
        request: &Request<'_>,
        view: &View,
        ledger: &LedgerFacts,
    ) -> Result<Option<Concern>, Error> {
        // What no rule allows is refused, and never charged.
        let Some(rule) = self.policy().rule_for(request) else {
            return Ok(None);
        };
        let budget = self.policy().budget(rule, request.indicator_type);
        let found = concern(self.policy(), budget, request, ledger, self.now());
        match found {
            Some(found) => self.record_probing(Side::Responder, request.peer, view, found),
            None => Ok(None),
        }
    }

    /// Records what was asked or is to be asked, unless as much was recorded of this view today.
    pub(in crate::exchange) fn record_probing(
        &self,
        side: Side,
        peer: &str,
        view: &View,
        found: Concern,
    ) -> Result<Option<Concern>, Error> {
        let view = view.to_string();
        let time = self.now().max(self.ledger().log().time());
        let recorded = self.facts(|facts| facts.probing(side, &view, peer, time))?;
        let level = level(found.level);
        if level.code() <= recorded {
            return Ok(None);
        }
        self.ledger().append(vec![Event::Probing {
            peer: Name::new(peer).map_err(Error::Record)?,
            view: Name::new(&view).map_err(Error::Record)?,
            side,
            level,
            signal: signal(found.signal),
            counted: found.counted,
            limit: found.limit,
        }])?;
        warn!(
            peer, view, level = level.name(), signal = found.signal.name(), %found,
            next = "blindmatch status", "this looks like probing"
        );
        Ok(Some(found))
    }
}

const fn level(level: policy::Level) -> Level {
    match level {
        policy::Level::Warn => Level::Warn,
        policy::Level::Slow => Level::Slow,
        policy::Level::Stop => Level::Stop,
    }
}

const fn signal(signal: policy::Signal) -> Signal {
    match signal {
        policy::Signal::Growth => Signal::Growth,
        policy::Signal::Week => Signal::Week,
        policy::Signal::Runs => Signal::Runs,
        policy::Signal::Again => Signal::Again,
        policy::Signal::Dense => Signal::Dense,
        policy::Signal::Misses => Signal::Misses,
    }
}
