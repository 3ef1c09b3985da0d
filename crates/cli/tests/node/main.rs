//! The commands of a node as a user meets them: the real binary in a temporary home.

mod asking;
mod backup;
mod clock;
mod closed;
mod collections;
mod doctor;
mod exclusions;
mod expiries;
mod found;
mod hints;
mod home_files;
mod import;
mod init;
mod kernels;
mod keys;
mod ledger;
mod lost;
mod next;
mod peers;
mod place;
mod policy;
mod progress;
mod restore;
mod roster;
mod serve;
mod witnesses;
