//! What this node asks for, looked at before it is asked (`spec/50-policy.md` §7): the responder sees
//! blinded values, and this node alone whether they are neighbours.

use blindmatch_audit::receipt::Side;
use blindmatch_indicator::IndicatorType;
use blindmatch_policy::{Actor, Explained, Level, concern_of_density, dense_blocks};
use blindmatch_psi::lookup::Item;

use super::AskError;
use crate::exchange::daemon::Daemon;
use crate::exchange::view::View;

/// Records what looks like going through all values of a type, and refuses it where it is too much: all of
/// it where it would be stopped, the second of a day where it would be slowed.
///
/// # Errors
///
/// [`AskError::Policy`], [`AskError::Node`].
pub(super) fn look(
    daemon: &Daemon,
    peer: &str,
    view: &View,
    items: &[Item],
) -> Result<(), AskError> {
    let kind = view.indicator_type;
    if !matches!(
        kind,
        IndicatorType::Ip | IndicatorType::Phone | IndicatorType::Asn
    ) {
        return Ok(());
    }
    let mut values: Vec<u128> = items.iter().filter_map(|item| value(kind, item)).collect();
    values.sort_unstable();
    let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
    let blocks = dense_blocks(values);
    let name = view.to_string();
    let now = daemon.now();
    let vouched = daemon.facts(|facts| facts.vouched(peer))?;
    let Some(found) = concern_of_density(daemon.policy(), blocks, count, now < vouched) else {
        return Ok(());
    };
    let time = now.max(daemon.ledger().log().time());
    let before = daemon.facts(|facts| facts.probing(Side::Querier, &name, peer, time))?;
    daemon.record_probing(Side::Querier, peer, view, found)?;
    let again = before >= 2;
    if found.level == Level::Stop || (found.level == Level::Slow && again) {
        return Err(AskError::Policy(Box::new(Explained {
            what: format!(
                "what is to be asked of {peer} looks like going through all values of {kind}: {found}"
            ),
            next: format!(
                "find out who asks for this: `blindmatch ledger export FILE` has the records; if it is meant: \
                 `blindmatch policy override --peer {peer} --days 1 --why TICKET`"
            ),
            actor: Actor::Own,
        })));
    }
    Ok(())
}

/// The number that an item is, of which neighbours differ by one.
fn value(kind: IndicatorType, item: &Item) -> Option<u128> {
    // Behind the code of the type and the version.
    let bytes = item.get(2..)?;
    if kind == IndicatorType::Phone {
        return str::from_utf8(bytes).ok()?.parse().ok();
    }
    let number = bytes.iter().try_fold(0_u128, |number, byte| {
        number
            .checked_mul(256)
            .map(|number| number | u128::from(*byte))
    });
    // Addresses of the two families are no neighbours.
    number.filter(|_| bytes.len() <= 16)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use blindmatch_indicator::{Canonicaliser, PublicSuffixes};

    use super::*;

    #[test]
    fn neighbours_differ_by_one() {
        let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
        let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list).unwrap());
        let of = |kind, text: &str| {
            let read = canonicaliser.parse(kind, text).unwrap();
            value(kind, &Item::new(read.encode().to_vec())).unwrap()
        };
        let (ip, phone) = (IndicatorType::Ip, IndicatorType::Phone);
        assert_eq!(of(ip, "8.8.8.9") - of(ip, "8.8.8.8"), 1);
        assert_eq!(of(ip, "2a00::9") - of(ip, "2a00::8"), 1);
        assert_eq!(of(phone, "+493012345679") - of(phone, "+493012345678"), 1);
        assert_eq!(of(phone, "+493012345680") - of(phone, "+493012345679"), 1);
        assert_eq!(
            of(IndicatorType::Asn, "AS3321") - of(IndicatorType::Asn, "AS3320"),
            1
        );
    }
}
