//! Makes the code in `src/generated` anew: `cargo run -p blindmatch-wire --example generate`.

use std::path::Path;

mod compile;

fn main() {
    compile::compile(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated"));
}
