//! Runs every kernel's scalar twin on secrets that valgrind takes for uninitialised memory, so that
//! each branch and each address that depends on one is an error of memcheck.
//!
//! ```sh
//! cargo build --release -p blindmatch-simd --example valgrind_secrets
//! valgrind --suppressions=crates/simd/examples/valgrind_secrets.supp \
//!     target/release/examples/valgrind_secrets
//! ```
//!
//! Ends with a failure where there is such an error, where the planted ones are not found, or
//! where valgrind does not run it. What is suppressed says there why. Valgrind knows no AVX-512: the
//! eight-lane kernels have the test of `timing.rs` and give the same bytes.

#![allow(unsafe_code, reason = "valgrind's client requests are instructions")]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn main() {}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn main() -> std::process::ExitCode {
    linux::run()
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    use std::hint::black_box;
    use std::process::ExitCode;

    use blindmatch_simd::{Backend, FixedBase, Points, expand_message_xmd, sha512};
    use curve25519_dalek::Scalar;

    /// valgrind.h and memcheck.h of valgrind 3.19.
    const RUNNING_ON_VALGRIND: u64 = 0x1001;
    const COUNT_ERRORS: u64 = 0x1201;
    const MAKE_MEM_UNDEFINED: u64 = 0x4d43_0001;
    const MAKE_MEM_DEFINED: u64 = 0x4d43_0002;

    /// A request that valgrind answers; 0 where the instructions, which do nothing, just run.
    fn request(request: u64, start: u64, length: u64) -> u64 {
        let arguments = [request, start, length, 0, 0, 0];
        let mut answer = 0_u64;
        // SAFETY: the rotations add up to whole turns and the exchange is with itself, so nothing
        // changes but, under valgrind, the answer. It reads the six arguments.
        unsafe {
            std::arch::asm!(
                "rol rdi, 3",
                "rol rdi, 13",
                "rol rdi, 61",
                "rol rdi, 51",
                "xchg rbx, rbx",
                in("rax") arguments.as_ptr(),
                inout("rdx") answer,
                options(nostack),
            );
        }
        answer
    }

    fn mark<T>(request_: u64, values: &[T]) {
        let length = size_of_val(values) as u64;
        request(request_, values.as_ptr() as u64, length);
    }

    /// A copy that valgrind takes for uninitialised.
    fn secret<T: Copy>(values: &[T]) -> Vec<T> {
        let secret = values.to_vec();
        mark(MAKE_MEM_UNDEFINED, &secret);
        secret
    }

    /// The errors that valgrind counts while `run` goes on. What it makes is public then.
    fn errors<T>(name: &str, run: impl FnOnce() -> Vec<T>) -> u64 {
        let before = request(COUNT_ERRORS, 0, 0);
        let made = run();
        mark(MAKE_MEM_DEFINED, &made);
        black_box(&made);
        let errors = request(COUNT_ERRORS, 0, 0) - before;
        println!("{name:32} {errors} errors");
        errors
    }

    pub(super) fn run() -> ExitCode {
        if request(RUNNING_ON_VALGRIND, 0, 0) == 0 {
            eprintln!("valgrind does not run this");
            return ExitCode::FAILURE;
        }
        let backend = Backend::SERIAL;
        let uniform: Vec<[u8; 64]> = (1..=9).map(|k| [k; 64]).collect();
        let scalars: Vec<_> = (1..=9)
            .map(|k| Scalar::from_bytes_mod_order([k * 23; 32]))
            .collect();
        let public = Points::from_uniform(backend, &uniform);
        let encodings = public.encode();
        let base = FixedBase::decode(backend, &encodings[0]).expect("an element");
        let hidden = Points::from_uniform(backend, &secret(&uniform));
        let keys = secret(&scalars);
        let texts = secret(&uniform);
        let messages = || texts.iter().map(|text| [text.as_slice(), b"public"]);

        let found = [
            errors("multiply, one scalar", || public.multiply_encode(&keys[0])),
            errors("multiply, a scalar each", || {
                public.multiply_each_encode(&keys)
            }),
            errors("multiply a fixed base", || base.multiply(&keys).encode()),
            errors("multiply the generator", || {
                Points::multiples_of_generator(backend, &keys).encode()
            }),
            errors("map, encode", || {
                Points::from_uniform(backend, &texts).encode()
            }),
            errors("secret elements: multiply", || {
                hidden.multiply_encode(&keys[0])
            }),
            errors("secret elements: double", || hidden.double_encode()),
            errors("secret elements: add", || hidden.add(&public).encode()),
            errors("sha512", || sha512(backend, messages()).to_vec()),
            errors("expand_message_xmd", || {
                expand_message_xmd(backend, b"a domain", messages()).to_vec()
            }),
        ];
        let planted = [
            errors("planted: a branch", || {
                let bit = keys[0].as_bytes()[0] & 1;
                if black_box(bit) == 1 {
                    black_box(public.double_encode());
                }
                vec![bit]
            }),
            errors("planted: an address", || {
                let table = [7_u8; 256];
                vec![black_box(&table)[usize::from(keys[0].as_bytes()[0])]]
            }),
        ];
        if found.iter().all(|errors| *errors == 0) && !planted.contains(&0) {
            println!("no branch and no address depends on a secret; both planted ones were found");
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
