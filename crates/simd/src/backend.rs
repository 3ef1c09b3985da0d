//! Which kernels run.

/// A set of kernels that this machine can run. Holding one proves that the processor has what
/// they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Serial,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Why a name is no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBackend {
    /// It is none of `off`, `avx2` and `avx512`.
    Unknown,
    /// This processor cannot run it.
    Lacking,
}

impl std::fmt::Display for NoBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such backend: there are off, avx2 and avx512",
            Self::Lacking => "this processor lacks what that backend needs",
        })
    }
}

impl std::error::Error for NoBackend {}

impl Backend {
    /// One item at a time, on any processor.
    pub const SERIAL: Self = Self(Kind::Serial);

    /// The fastest backend that this processor runs.
    #[must_use]
    pub fn detect() -> Self {
        Self::avx512().unwrap_or(Self::SERIAL)
    }

    /// All backends that this processor runs, for tests that take each.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Some(Self::SERIAL), Self::avx512()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The backend that a value of `BLINDMATCH_SIMD` names:
    ///
    /// - `off`: [`Backend::SERIAL`], none of the kernels of this crate. curve25519-dalek and `sha2`
    ///   still find AVX2 by themselves.
    /// - `avx2`: the same on a processor that has AVX2. There is no kernel of four lanes, since
    ///   it would not gain enough over dalek's own use of AVX2 (`bench/README.md`).
    /// - `avx512`: eight lanes.
    ///
    /// # Errors
    /// If there is no such backend, or the processor cannot run it.
    pub fn named(name: &str) -> Result<Self, NoBackend> {
        match name {
            "off" => Ok(Self::SERIAL),
            "avx2" if has_avx2() => Ok(Self::SERIAL),
            "avx512" => Self::avx512().ok_or(NoBackend::Lacking),
            "avx2" => Err(NoBackend::Lacking),
            _ => Err(NoBackend::Unknown),
        }
    }

    /// What [`Backend::named`] takes; `off` for what `avx2` names as well.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Serial => "off",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    /// For what could only be made with the backend.
    pub(crate) const fn of(kind: Kind) -> Self {
        Self(kind)
    }

    pub(crate) const fn kind(self) -> Kind {
        self.0
    }

    #[cfg(target_arch = "x86_64")]
    fn avx512() -> Option<Self> {
        // Every processor with IFMA has the other two.
        let all = is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw");
        all.then_some(Self(Kind::Avx512))
    }

    #[cfg(not(target_arch = "x86_64"))]
    const fn avx512() -> Option<Self> {
        None
    }
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}
