//! A query: indicators that somebody has at hand, asked of all peers.

use blindmatch_indicator::{Indicator, IndicatorType};
use blindmatch_membership::Name;
use blindmatch_policy::Direction;
use tokio::task::JoinSet;

use super::ask::{AskError, Asker, Finding, Occasion, Subject};
use super::view;
use crate::demo::Outcome;

/// What a peer answers about the indicators of one view.
#[derive(Debug)]
pub struct PeerAnswer {
    /// The peer.
    pub peer: Name,
    /// The type of the view; nothing where no view was come to.
    pub indicator_type: Option<IndicatorType>,
    /// The id of the purpose; empty where no view was come to.
    pub purpose: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Which of the indicators the peer holds, and what it says of each.
    pub found: Vec<Finding>,
    /// Bytes on the wire, both ways.
    pub bytes: u64,
}

impl Asker {
    /// Asks all peers about indicators, for `purpose` or every one that the policy allows.
    pub async fn query(
        &self,
        indicators: &[Indicator],
        purpose: Option<&str>,
        occasion: &Occasion,
    ) -> Vec<PeerAnswer> {
        let peers = self.peers();
        let mut tasks = JoinSet::new();
        for (name, reached) in self.reach_all().await {
            if !peers.contains(&name) {
                continue;
            }
            let (asker, indicators) = (self.clone(), indicators.to_vec());
            let (purpose, occasion) = (purpose.map(str::to_owned), occasion.clone());
            tasks.spawn(async move {
                let asked = async {
                    let channel = reached?;
                    let served = channel.views().await?;
                    Ok((channel, served))
                };
                let (channel, served) = match asked.await {
                    Ok(reached) => reached,
                    Err(error) => return vec![PeerAnswer::failed(name, &error)],
                };
                let unfinished = asker.finish_earlier(&channel, &name).await;
                let policy = asker.daemon.policy();
                let mut answers = Vec::new();
                for view in view::with(policy, name.as_str(), Direction::Ask) {
                    let title = view.to_string();
                    let is_wanted = purpose.as_ref().is_none_or(|one| *one == view.purpose)
                        && served.0.iter().any(|served| served.name == title);
                    let kind = view.indicator_type;
                    if !is_wanted || !indicators.iter().any(|one| Subject::asks(one, kind)) {
                        continue;
                    }
                    let mut answer = PeerAnswer {
                        peer: name.clone(),
                        indicator_type: Some(kind),
                        purpose: view.purpose.clone(),
                        outcome: Outcome::Done,
                        found: Vec::new(),
                        bytes: 0,
                    };
                    let asked = if unfinished.contains(&title) {
                        Err(AskError::Unfinished)
                    } else {
                        let subject = Subject::Indicators(indicators.clone());
                        asker.ask(&channel, &view, subject, &occasion).await
                    };
                    match asked {
                        Ok(answered) => {
                            answer.found = answered.found;
                            answer.bytes = answered.bytes;
                        }
                        Err(error) => answer.outcome = error.outcome(),
                    }
                    answers.push(answer);
                }
                answers
            });
        }
        let mut answers = Vec::new();
        while let Some(of_peer) = tasks.join_next().await {
            answers.extend(of_peer.into_iter().flatten());
        }
        answers.sort_by(|a, b| a.peer.cmp(&b.peer));
        answers
    }
}

impl PeerAnswer {
    fn failed(peer: Name, error: &AskError) -> Self {
        Self {
            peer,
            indicator_type: None,
            purpose: String::new(),
            outcome: error.outcome(),
            found: Vec::new(),
            bytes: 0,
        }
    }
}
