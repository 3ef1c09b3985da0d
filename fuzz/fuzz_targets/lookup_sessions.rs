#![no_main]
//! Both sessions of lookup, driven by a list of operations on their link, disks and peers.

use blindmatch_fuzz::lookup::{Operation, Run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|operations: Vec<Operation>| {
    let mut run = Run::new();
    for operation in operations.iter().take(60) {
        run.does(operation);
    }
    run.ends();
});
