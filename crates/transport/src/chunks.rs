//! Files and rosters in chunks.

use std::time::Duration;

use blindmatch_wire::message::Chunk;
use blindmatch_wire::{Malformed, Problem, exchange as wire, limits, problem::Kind};
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;

use crate::channel::{CallError, Held};

/// Sends one file, from some place on.
#[derive(Debug)]
pub struct ChunkSender {
    to: mpsc::Sender<wire::Chunk>,
    stall: Duration,
}

/// Receives one file, from the place on that was asked for.
#[derive(Debug)]
pub struct Chunks {
    from: Streaming<wire::Chunk>,
    offset: u64,
    total: Option<u64>,
    silence: Duration,
    _connection: Held,
}

impl ChunkSender {
    pub(crate) const fn new(to: mpsc::Sender<wire::Chunk>, stall: Duration) -> Self {
        Self { to, stall }
    }

    /// Sends bytes of a file of `total` bytes, that begin at `offset`, in as many chunks as it
    /// takes. The next call goes on where this one ends.
    ///
    /// # Errors
    ///
    /// A [`Problem`] to end the call with where the peer does not take them.
    pub async fn send(&self, total: u64, offset: u64, mut data: Bytes) -> Result<(), Problem> {
        let mut offset = offset;
        while !data.is_empty() {
            let part = data.split_to(data.len().min(limits::CHUNK));
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            let chunk = Chunk {
                offset,
                total,
                data: part,
            };
            let sent = timeout(self.stall, self.to.send(chunk.into())).await;
            sent.map_err(|_| Kind::Timeout)?
                .map_err(|_| Kind::Unavailable)?;
            offset = offset.saturating_add(length);
        }
        Ok(())
    }
}

impl Chunks {
    pub(crate) const fn new(
        from: Streaming<wire::Chunk>,
        offset: u64,
        silence: Duration,
        connection: Held,
    ) -> Self {
        Self {
            from,
            offset,
            total: None,
            silence,
            _connection: connection,
        }
    }

    /// How long the whole file is, once a chunk has said so.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next bytes, or `None` behind the last.
    ///
    /// # Errors
    ///
    /// [`CallError`]; it is malformed if a chunk does not begin where the one before ended, if the
    /// length of the whole changes, or if the file ends early.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        let message = timeout(self.silence, self.from.message()).await;
        let message = message.map_err(|_| CallError::Failed(Kind::Timeout.into()))?;
        let Some(chunk) = message.map_err(|status| CallError::from(&status))? else {
            let whole = self.total.is_none_or(|total| total == self.offset);
            return if whole {
                Ok(None)
            } else {
                Err(Malformed::Missing.into())
            };
        };
        let Chunk {
            offset,
            total,
            data,
        } = chunk.try_into()?;
        if offset != self.offset || self.total.is_some_and(|known| known != total) {
            return Err(Malformed::Order.into());
        }
        self.total = Some(total);
        let length = u64::try_from(data.len()).map_err(|_| Malformed::Length)?;
        self.offset = offset.checked_add(length).ok_or(Malformed::Number)?;
        Ok(Some(data))
    }

    /// All bytes at once, of a file of at most `most`.
    ///
    /// # Errors
    ///
    /// [`CallError`], malformed if it is longer.
    pub async fn collect(mut self, most: usize) -> Result<Bytes, CallError> {
        let mut whole = BytesMut::new();
        while let Some(data) = self.next().await? {
            let total = self.total.and_then(|total| usize::try_from(total).ok());
            if total.is_none_or(|total| total > most) {
                return Err(Malformed::Length.into());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }
}
