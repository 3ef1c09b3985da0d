//! The lists that come with blindmatch; `crates/feeds/exclusions/README.md` has their sources.

macro_rules! shipped {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_bytes!(concat!("../../exclusions/", $file)))),*]
    };
}

/// Each list with the name of its file.
pub const SHIPPED: [(&str, &[u8]); 6] = shipped![
    "address-translation.json",
    "cdn-edges.json",
    "hosting-domains.json",
    "mail-domains.json",
    "mail-egress.json",
    "public-resolvers.json",
];
