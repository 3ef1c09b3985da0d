//! Telephone numbers that regulators keep for fiction (`spec/10-indicators.md` §4.5).
//!
//! Whoever signs up with one of them does not have it, and many sign up with the same.

/// A range: every E.164 number that begins with `prefix` and whose next digits, as many as the
/// bounds have, lie between them.
struct Range {
    prefix: &'static str,
    first: &'static str,
    last: &'static str,
}

const fn block(prefix: &'static str) -> Range {
    range(prefix, "", "")
}

const fn range(prefix: &'static str, first: &'static str, last: &'static str) -> Range {
    Range {
        prefix,
        first,
        last,
    }
}

/// `?` in a prefix stands for any digit.
const RANGES: &[Range] = &[
    // NANPA: line numbers 0100 to 0199 of exchange 555 in every area code.
    range("+1???555", "0100", "0199"),
    // Ofcom: numbers for use in drama, by city, then areas, mobile, free, premium, UK-wide.
    block("+441134960"),
    block("+441144960"),
    block("+441154960"),
    block("+441164960"),
    block("+441174960"),
    block("+441184960"),
    block("+441214960"),
    block("+441314960"),
    block("+441414960"),
    block("+441514960"),
    block("+441614960"),
    block("+441632960"),
    block("+441914980"),
    block("+442079460"),
    block("+442890180"),
    block("+442896496"),
    block("+442920180"),
    block("+443069990"),
    block("+447700900"),
    block("+448081570"),
    block("+449098790"),
    // ARCEP: audio-visual works, five zones and mobile.
    block("+3319900"),
    block("+3326191"),
    block("+3335301"),
    block("+3346571"),
    block("+3353649"),
    block("+3363998"),
    // ComReg: drama.
    block("+3532091"),
    // PTS: Kiruna, Stockholm, Malmö, Gothenburg, mobile.
    block("+469803192"),
    block("+468465004"),
    block("+464062804"),
    block("+463139006"),
    range("+467017406", "05", "99"),
    // Bundesnetzagentur, notice 148/2021: Berlin, Frankfurt, Hamburg, Cologne, Munich, mobile.
    block("+493023125"),
    block("+496990009"),
    block("+494066969"),
    block("+492214710"),
    block("+498999998"),
    block("+4915228817386"),
    block("+4915228895456"),
    block("+4915254599371"),
    block("+4917139200"),
    block("+491729925904"),
    block("+491729968532"),
    block("+491729973185"),
    block("+491729973186"),
    block("+491729980752"),
    block("+491749091317"),
    block("+491749464308"),
    block("+49176040690"),
    // ACMA: four areas, mobile, free, local rate, premium.
    block("+6125550"),
    block("+6127010"),
    block("+6135550"),
    block("+6137010"),
    block("+6175550"),
    block("+6177010"),
    block("+6185550"),
    block("+6187010"),
    block("+61491570006"),
    block("+61491570110"),
    range("+61491570", "156", "159"),
    block("+61491570313"),
    block("+61491570737"),
    block("+61491571266"),
    block("+61491571491"),
    block("+61491571804"),
    block("+61491572549"),
    block("+61491572665"),
    block("+61491572983"),
    block("+61491573087"),
    block("+61491573770"),
    block("+61491574118"),
    block("+61491574632"),
    block("+61491575254"),
    block("+61491575789"),
    block("+61491576398"),
    block("+61491576801"),
    block("+61491577426"),
    block("+61491577644"),
    block("+61491578148"),
    block("+61491578888"),
    block("+61491578957"),
    block("+61491579212"),
    block("+61491579455"),
    block("+61491579760"),
    block("+611800160401"),
    range("+611800975", "707", "711"),
    range("+611300975", "707", "711"),
    block("+611900654321"),
];

/// Whether a number in E.164 form with its `+` is kept for fiction.
pub(super) fn is_fictitious(number: &str) -> bool {
    RANGES.iter().any(|range| range.holds(number))
}

impl Range {
    fn holds(&self, number: &str) -> bool {
        let Some((prefix, rest)) = number.split_at_checked(self.prefix.len()) else {
            return false;
        };
        let same = |(pattern, digit): (u8, u8)| pattern == digit || pattern == b'?';
        // Digits of one length compare as numbers do.
        self.prefix.bytes().zip(prefix.bytes()).all(same)
            && rest
                .get(..self.first.len())
                .is_some_and(|next| self.first <= next && next <= self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_their_range() {
        for (number, fictitious) in [
            ("+12125550099", false),
            ("+12125550100", true),
            ("+12125550199", true),
            ("+12125550200", false),
            ("+46701740604", false),
            ("+46701740605", true),
            ("+61491570155", false),
            ("+61491570156", true),
            ("+447700900000", true),
            ("+447700901000", false),
            ("+4917604069000", true),
            ("+4917604069100", false),
            ("+1", false),
        ] {
            assert_eq!(is_fictitious(number), fictitious, "{number}");
        }
    }
}
