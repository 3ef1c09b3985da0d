//! A query: indicators that somebody has at hand, asked of all peers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blindmatch_indicator::{Indicator, IndicatorType};
use blindmatch_membership::{Name, Witnesses};
use blindmatch_policy::Direction;
use blindmatch_transport::Channel;
use tokio::task::JoinSet;

use super::ask::{AskError, Asker, Finding, Flight, Occasion, Published, Subject};
use super::peers::patiently;
use super::view::{self, View};
use super::work::blocking;
use crate::demo::Outcome;
use crate::error::Error;

/// What somebody asks.
#[derive(Clone, Debug)]
pub struct Query {
    /// About these.
    pub indicators: Vec<Indicator>,
    /// Only these peers, unless it is empty.
    pub peers: BTreeSet<Name>,
    /// The id of the purpose; nothing for every one that the policy allows.
    pub purpose: Option<String>,
    /// On what occasion.
    pub occasion: Occasion,
}

/// What a peer answers about the indicators of one view.
#[derive(Debug)]
pub struct PeerAnswer {
    /// The peer.
    pub peer: Name,
    /// The type of the view.
    pub indicator_type: IndicatorType,
    /// The id of the purpose; empty where the policy allows none.
    pub purpose: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Which of the indicators the peer holds, and what it says of each.
    pub found: Vec<Finding>,
    /// What they were looked up in.
    pub published: Option<Published>,
    /// Whether the policy has the peer named as who holds something, or does not.
    pub names: bool,
    /// Bytes on the wire, both ways.
    pub bytes: u64,
}

impl PeerAnswer {
    /// Whether an indicator is looked up in this view.
    #[must_use]
    pub fn is_about(&self, indicator: &Indicator) -> bool {
        Subject::asks(indicator, self.indicator_type)
    }

    /// What the peer holds of an indicator: of an address, every network that it is in.
    pub fn of<'a>(&'a self, indicator: &Indicator) -> impl Iterator<Item = &'a Finding> {
        let key = indicator.encode();
        let found = self.found.iter();
        found.filter(move |found| found.row.as_bytes() == key.as_slice())
    }
}

impl Asker {
    /// Asks all peers at once. Each answers for every view in which one of the indicators is looked
    /// up; for the type of one that the policy does not allow to ask, the policy does.
    ///
    /// # Errors
    ///
    /// [`Error::NoMember`] for a peer that is no other provider; [`Error::NotListed`] where the own
    /// delegation has expired, [`Error::NotNewest`].
    pub async fn query(&self, query: Query) -> Result<Vec<PeerAnswer>, Error> {
        self.daemon.check_delegation()?;
        let daemon = Arc::clone(&self.daemon);
        let newest = blocking(move || daemon.check_newest());
        newest.await.unwrap_or(Ok(()))?;
        let peers = self.daemon.peers(&query.peers)?;
        let mut reached = BTreeMap::new();
        if !self.knows_witnesses_of(&peers) {
            reached.extend(self.reach_all().await);
        }
        let query = Arc::new(query);
        let mut tasks = JoinSet::new();
        for name in peers {
            let (asker, query) = (self.clone(), Arc::clone(&query));
            let reached = reached.remove(&name);
            tasks.spawn(async move { asker.query_one(name, reached, &query).await });
        }
        let mut answers = Vec::new();
        while let Some(of_peer) = tasks.join_next().await {
            answers.extend(of_peer.into_iter().flatten());
        }
        answers.sort_by(|a, b| {
            let key = |answer: &PeerAnswer| (answer.peer.clone(), answer.indicator_type.code());
            key(a).cmp(&key(b))
        });
        Ok(answers)
    }

    async fn query_one(
        &self,
        peer: Name,
        reached: Option<Result<Channel, AskError>>,
        query: &Query,
    ) -> Vec<PeerAnswer> {
        let policy = self.daemon.policy();
        let mut views = view::with(policy, peer.as_str(), Direction::Ask);
        views.retain(|view| {
            let kind = view.indicator_type;
            let purpose = query.purpose.as_ref();
            purpose.is_none_or(|one| *one == view.purpose)
                && query.indicators.iter().any(|one| Subject::asks(one, kind))
        });
        let answer = |view: &View, outcome| PeerAnswer {
            peer: peer.clone(),
            indicator_type: view.indicator_type,
            purpose: view.purpose.clone(),
            outcome,
            found: Vec::new(),
            published: None,
            names: self.daemon.names_contributor(peer.as_str(), view),
            bytes: 0,
        };
        let mut answers = Vec::new();
        let kinds: BTreeSet<_> = query
            .indicators
            .iter()
            .map(Indicator::indicator_type)
            .collect();
        for kind in kinds {
            if views.iter().all(|view| view.indicator_type != kind) {
                let purpose = query.purpose.clone().unwrap_or_default();
                let none = View {
                    indicator_type: kind,
                    purpose,
                };
                let reason = "no rule of our own policy allows to ask it".to_owned();
                answers.push(answer(&none, Outcome::Refused(reason)));
            }
        }
        if views.is_empty() {
            return answers;
        }
        let subject = || Subject::Indicators(query.indicators.clone());
        let flight = match reached {
            Some(_) => None,
            None => self.fly(&peer, &views, subject()).await,
        };
        let asked = async {
            if let Some(flight) = flight {
                return Ok(flight);
            }
            let channel = match reached {
                Some(reached) => reached?,
                None => self.reach(&peer).await?,
            };
            let served = patiently(|| channel.views()).await?;
            Ok::<_, AskError>(Flight {
                channel,
                served,
                proposed: BTreeMap::new(),
            })
        };
        let Flight {
            channel,
            served,
            mut proposed,
        } = match asked.await {
            Ok(flight) => flight,
            Err(error) => {
                let outcome = |view| answer(view, self.outcome(&peer, &error));
                answers.extend(views.iter().map(outcome));
                return answers;
            }
        };
        let names: BTreeSet<_> = views.iter().map(ToString::to_string).collect();
        let meant = |view: &str| names.contains(view);
        let unfinished = self.finish_earlier(&channel, &peer, &meant).await;
        for view in views {
            let name = view.to_string();
            let mut answer = answer(&view, Outcome::Done);
            if !served.0.iter().any(|served| served.name == name) {
                answer.outcome = Outcome::NotServed;
            } else if unfinished.contains(&name) {
                answer.outcome = AskError::Unfinished.outcome();
            } else {
                let occasion = &query.occasion;
                let answered = match proposed.remove(&view) {
                    Some(proposed) => self.ask_proposed(&channel, &view, proposed, occasion).await,
                    None => self.ask(&channel, &view, subject(), occasion).await,
                };
                match answered {
                    Ok(answered) => {
                        answer.found = answered.found;
                        answer.published = answered.published;
                        answer.bytes = answered.bytes;
                    }
                    Err(error) => answer.outcome = self.outcome(&peer, &error),
                }
            }
            answers.push(answer);
        }
        answers
    }

    /// Whether enough witnesses of each of these are known to hold its ledger against.
    fn knows_witnesses_of(&self, peers: &BTreeSet<Name>) -> bool {
        let known = self.daemon.directory().known();
        let now = self.daemon.now();
        peers.iter().all(|peer| {
            let witnesses = Witnesses::of(&known.roster, &known.delegations, peer, now);
            witnesses.quorum().is_ok()
        })
    }
}
