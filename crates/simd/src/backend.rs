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

/// The name of a backend that does not exist or that this processor cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBackend;

impl std::fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no such backend on this processor (off, avx512)")
    }
}

impl std::error::Error for UnknownBackend {}

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

    /// The backend that the value of `BLINDMATCH_SIMD` names: `off` or `avx512`.
    ///
    /// # Errors
    /// If there is no such backend or the processor cannot run it.
    pub fn named(name: &str) -> Result<Self, UnknownBackend> {
        match name {
            "off" => Ok(Self::SERIAL),
            "avx512" => Self::avx512().ok_or(UnknownBackend),
            _ => Err(UnknownBackend),
        }
    }

    /// What [`Backend::named`] takes.
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
