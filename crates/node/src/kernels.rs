//! Which kernels the OPRF runs on.

use blindmatch_oprf::{Backend, NoBackend, backend, choose_backend};

/// The variable that names them; without it they are the fastest that the processor has.
pub const VARIABLE: &str = "BLINDMATCH_SIMD";

/// Takes the kernels of this name, the value of [`VARIABLE`], for the whole process: `off`, `avx2`
/// or `avx512`. Before anything is evaluated; a later call with another name changes nothing.
///
/// # Errors
///
/// Where there are none of this name, or the processor cannot run them.
pub fn choose(name: &str) -> Result<(), NoBackend> {
    let named = Backend::named(name)?;
    // Whoever came first has had his reason.
    let _ = choose_backend(named);
    Ok(())
}

/// What the kernels are that run.
#[must_use]
pub fn described() -> &'static str {
    if backend() == Backend::SERIAL {
        "one element at a time, on curve25519-dalek"
    } else {
        "eight elements at a time, on AVX-512"
    }
}
