//! From the services in `proto/` to Rust, without protoc.

use std::path::Path;

/// The packages, each with its file below `proto/`.
pub(crate) const PACKAGES: [(&str, &str); 2] = [
    (
        "blindmatch.control.v1",
        "blindmatch/control/v1/control.proto",
    ),
    (
        "blindmatch.exchange.v1",
        "blindmatch/exchange/v1/exchange.proto",
    ),
];

/// Writes one file for each package to `out`.
pub(crate) fn compile(out: &Path) {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let files = PACKAGES.map(|(_, file)| proto.join(file));
    let files = protox::compile(files, [&proto]).expect("proto/ compiles");
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .out_dir(out)
        .compile_fds(files)
        .expect("the code can be written");
}
