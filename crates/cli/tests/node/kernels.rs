//! `BLINDMATCH_SIMD` chooses the OPRF's kernels, and `doctor` tells which run.

use serde_json::Value;

use crate::place::{Place, Test};

/// What `doctor` says of the kernels.
fn kernels(place: &Place, name: Option<&str>) -> Result<String, Box<dyn std::error::Error>> {
    let mut command = place.command(["--home", "acme", "doctor", "--output", "json"]);
    if let Some(name) = name {
        command.env("BLINDMATCH_SIMD", name);
    }
    let examined: Value = serde_json::from_slice(&command.output()?.stdout)?;
    let findings = examined["findings"].as_array().into_iter().flatten();
    let mut found = findings.filter(|finding| finding["about"] == "kernels");
    let what = found.next().and_then(|finding| finding["what"].as_str());
    Ok(what.ok_or("no finding")?.to_owned())
}

#[test]
fn the_environment_names_the_kernels() -> Test {
    let place = Place::with_acme()?;
    let one = "one element at a time, on curve25519-dalek";
    let eight = "eight elements at a time, on AVX-512";
    assert_eq!(kernels(&place, Some("off"))?, one);
    #[cfg(target_arch = "x86_64")]
    let (avx2, avx512) = (
        is_x86_feature_detected!("avx2"),
        is_x86_feature_detected!("avx512ifma"),
    );
    #[cfg(not(target_arch = "x86_64"))]
    let (avx2, avx512) = (false, false);
    let fastest = if avx512 { eight } else { one };
    assert_eq!(kernels(&place, None)?, fastest);
    for (name, has, what) in [("avx2", avx2, one), ("avx512", avx512, eight)] {
        if has {
            assert_eq!(kernels(&place, Some(name))?, what);
        } else {
            refused(&place, name, "this processor lacks")?;
        }
    }
    refused(&place, "fast", "off, avx2 and avx512")?;
    refused(&place, "", "off, avx2 and avx512")
}

fn refused(place: &Place, name: &str, why: &str) -> Test {
    let mut command = place.command(["--home", "acme", "doctor"]);
    let output = command.env("BLINDMATCH_SIMD", name).output()?;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr)?;
    let named = format!("BLINDMATCH_SIMD={name}: ");
    assert!(said.contains(&named) && said.contains(why), "{said}");
    Ok(())
}
