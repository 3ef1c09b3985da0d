//! What this node asks for, looked at before it is asked (`spec/50-policy.md` §7): the responder sees
//! blinded values, and this node alone whether they are neighbours.

use blindmatch_audit::receipt::Side;
use blindmatch_indicator::{IndicatorType, Strength};
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
    if kind.strength() != Strength::Enumerable {
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
                "to see who asks for this: blindmatch ledger export FILE; if it is meant: blindmatch policy \
                 override --peer {peer} --days 1 --why TICKET"
            ),
            actor: Actor::Own,
        })));
    }
    Ok(())
}

/// The number that an item is, of which neighbours differ by one: networks of one length that follow each
/// other (`spec/10 §4.2`), cards of one issuer and expiry by their last four digits.
fn value(kind: IndicatorType, item: &Item) -> Option<u128> {
    // Behind the code of the type and the version.
    let bytes = item.get(2..)?;
    match kind {
        IndicatorType::Network => return network(bytes),
        IndicatorType::CardWeak => return card(bytes),
        _ => {}
    }
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

/// Family, length, the bits of the prefix.
fn network(bytes: &[u8]) -> Option<u128> {
    let (length, address) = bytes.split_first()?;
    // A single address of IPv6 is looked at as that.
    if *length > 64 {
        return None;
    }
    let width = u32::try_from(address.len()).ok()?.checked_mul(8)?;
    let host = width.checked_sub((*length).into())?;
    let bits = address
        .iter()
        .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let prefix = bits.checked_shr(host).unwrap_or(0);
    let family = u128::from(width == 128);
    prefix.checked_add((family << 127) | (u128::from(*length) << 112))
}

/// Issuer and expiry, then the last four digits: two digits a byte (`spec/10 §4.12`).
fn card(bytes: &[u8]) -> Option<u128> {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits: Vec<u128> = digits.map(u128::from).collect();
    let (issuer, rest) = digits.split_at_checked(6)?;
    let (last, expiry) = rest.split_at_checked(4)?;
    let in_order = issuer.iter().chain(expiry).chain(last);
    in_order
        .copied()
        .reduce(|number, digit| number * 10 + digit)
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
        let network = IndicatorType::Network;
        let next = of(network, "8.8.9.0/24") - of(network, "8.8.8.0/24");
        assert_eq!(next, 1);
        let next = of(network, "2a00:0:0:1::/64") - of(network, "2a00::/64");
        assert_eq!(next, 1);
        // Another length, another family: no neighbours.
        assert_ne!(
            of(network, "8.8.0.0/16") >> 64,
            of(network, "8.8.0.0/24") >> 64
        );
        assert_ne!(
            of(network, "2a00::/32") >> 127,
            of(network, "8.0.0.0/24") >> 127
        );
        let card = IndicatorType::CardWeak;
        let last = |last: &str| of(card, &format!("411111******{last} 12/29"));
        assert_eq!(last("1112") - last("1111"), 1);
        assert_eq!(last("1200") - last("1199"), 1);
        assert!(of(card, "411111******1111 01/30") - last("1111") > 256);
    }
}
