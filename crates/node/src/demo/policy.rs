//! The policy of a member of the demonstration.

use blindmatch_indicator::{IndicatorType, Strength};
use blindmatch_policy::Budget;
use blindmatch_store::moment::Moment;

use super::PURPOSE;

const YEAR: u64 = 365 * 86_400;

/// A policy that allows everything a policy can, from `now` on for a year. Of the two forms of card
/// numbers a node holds one: `other_cards` is the one that it does not.
pub(super) fn lenient(other_cards: IndicatorType, now: u64) -> String {
    let types = IndicatorType::ALL.into_iter();
    let types: Vec<_> = types
        .filter(|kind| *kind != other_cards)
        .map(|kind| format!("\"{kind}\""))
        .collect();
    let types = types.join(", ");
    let until = Moment(now.saturating_add(YEAR)).to_string();
    let until = until.split('T').next().unwrap_or_default();
    let budgets: String = [Strength::Enumerable, Strength::Weak, Strength::Strong]
        .into_iter()
        .map(|strength| {
            let Budget { day, epoch } = Budget::ceiling_of(strength);
            let name = strength.name();
            format!("[budget.{name}]\nday = {day}\nepoch = {epoch}\n\n")
        })
        .collect();
    format!(
        "# The policy of a demonstration: every provider asks and serves every type. No member\n\
         # should have one like it.\n\
         \n\
         [purpose.{PURPOSE}]\n\
         text = \"Recognise customers whom another member knows for abuse.\"\n\
         \n\
         [legal_basis.demonstration]\n\
         text = \"A demonstration: every member is on this machine, and nothing leaves it.\"\n\
         valid_until = {until}\n\
         \n\
         # As far as a policy may go.\n\
         {budgets}\
         # A demonstration asks for all at once, again and again.\n\
         [probe]\n\
         growth = {{ slow = 1_000_000, stop = 1_000_000 }}\n\
         week = {{ slow = 701, stop = 701 }}\n\
         runs = {{ slow = 65_536, stop = 65_536 }}\n\
         dense = {{ slow = 16_777_216, stop = 16_777_216 }}\n\
         slow_days = 29\n\
         \n\
         # Lists of others rarely say how often and why.\n\
         [evidence]\n\
         minimum_reports = 0\n\
         reason_required = false\n\
         \n\
         [[allow]]\n\
         peers = [\"*\"]\n\
         types = [{types}]\n\
         directions = [\"ask\", \"serve\"]\n\
         purposes = [\"{PURPOSE}\"]\n\
         protocols = [\"lookup\"]\n\
         legal_basis = \"demonstration\"\n\
         minimum_set_size = 1\n\
         runs_a_day = 65_536\n\
         sweep = true\n"
    )
}
