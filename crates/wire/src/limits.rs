//! How long the parts of a message may be, in bytes unless it says otherwise.

/// The name of a view, a type or a purpose (`spec/30-session.md` §1).
pub const NAME: usize = 255;

/// Versions of the protocol in a greeting, in number.
pub const VERSIONS: usize = 8;

/// Delegations in a greeting, in number: as many as a node keeps of a member.
pub const DELEGATIONS: usize = 8;

/// A delegation (`spec/41-membership.md` §6).
pub const DELEGATION: usize = 4_096;

/// Views of one responder, in number.
pub const VIEWS: usize = 256;

/// A signed manifest.
pub const MANIFEST: usize = 4_096;

/// A proof of a record with the checkpoint: its signatures are what may be many.
pub const PROOF: usize = 65_536;

/// A checkpoint with its signatures.
pub const CHECKPOINT: usize = 65_536;

/// A record of a ledger (`spec/42-ledger.md` §2).
pub const RECORD: usize = 1_024;

/// Hashes of a consistency proof, in number, as in C2SP tlog-witness.
pub const CONSISTENCY: usize = 63;

/// One chunk of a file or a roster.
pub const CHUNK: usize = 128 * 1_024;

/// A proposal, an agreement, or a refusal.
pub const AGREEMENT: usize = 65_536;

/// What is told about matches (`spec/70-matches.md` §7).
pub const TOLD: usize = 96 * 1_024;

/// A frame of a run.
pub const FRAME: usize = 256 * 1_024;

/// A request to cosign, or the answer.
pub const COSIGNING: usize = 65_536;

/// A whole message: the longest frame, and what protobuf puts around it.
pub const MESSAGE: usize = FRAME + 1_024;

/// A [`Problem`](crate::Problem) as it travels.
pub const PROBLEM: usize = 255;

/// The name of a rule in a [`Problem`](crate::Problem).
pub const RULE: usize = 200;
