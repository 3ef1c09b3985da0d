//! `policy.toml`: what this member asks of others and serves to them.

/// The file's name in the home.
pub const FILE: &str = "policy.toml";

/// The policy of a new node, which allows nothing.
pub(crate) const FIRST: &str = "\
# What this member asks of others and serves to them. Whatever no rule allows is refused, so this
# file, which has none yet, refuses everything. An example to begin from:
#
# [purpose.abuse-prevention]
# text = \"Recognise, at sign-up and after, customers whom another member knows for abuse.\"
#
# [legal_basis.consortium-agreement]
# text = \"Consortium agreement, schedule B.\"
# valid_until = 2027-12-31
#
# [[allow]]
# peers = [\"*\"]
# types = [\"email\"]
# directions = [\"ask\", \"serve\"]
# purposes = [\"abuse-prevention\"]
# protocols = [\"lookup\"]
# legal_basis = \"consortium-agreement\"
#
# `blindmatch policy check` reads it, `blindmatch policy explain` says what it decides.
";
