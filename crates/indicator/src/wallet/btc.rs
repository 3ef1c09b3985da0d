//! `btc`: a Bitcoin mainnet address (`spec/10-indicators.md` §4.14).
//!
//! Canonical bytes: the output script (scriptPubKey) that the address stands for, which BIP-173
//! and BIP-350 print beside each of their addresses. One script has one address. Two addresses
//! of one key have two scripts and stay two indicators.

use bech32::primitives::decode::{
    CharError, ChecksumError, SegwitHrpstringError, UncheckedHrpstringError,
};
use bech32::{Fe32, hrp, segwit};

use crate::Refusal;
use crate::bytes::CanonicalBytes;

/// base58check versions (Bitcoin Core, `src/kernel/chainparams.cpp`).
const P2PKH: u8 = 0;
const P2SH: u8 = 5;

/// Script opcodes.
const OP_0: u8 = 0x00;
const OP_1: u8 = 0x51;
const OP_16: u8 = 0x60;
const OP_DUP: u8 = 0x76;
const OP_EQUAL: u8 = 0x87;
const OP_EQUALVERIFY: u8 = 0x88;
const OP_HASH160: u8 = 0xa9;
const OP_CHECKSIG: u8 = 0xac;
const PUSH_20: u8 = 20;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    if has_segwit_prefix(text) {
        return parse_segwit(text);
    }
    match super::base58check(text, Refusal::NotABtcAddress)? {
        (P2PKH, hash) => Ok(CanonicalBytes::concat(&[
            &[OP_DUP, OP_HASH160, PUSH_20],
            &hash,
            &[OP_EQUALVERIFY, OP_CHECKSIG],
        ])),
        (P2SH, hash) => Ok(CanonicalBytes::concat(&[
            &[OP_HASH160, PUSH_20],
            &hash,
            &[OP_EQUAL],
        ])),
        _ => Err(Refusal::WrongNetwork),
    }
}

/// Whether `text` begins like a segregated witness address of mainnet, testnet or regtest.
pub(crate) fn has_segwit_prefix(text: &str) -> bool {
    ["bc1", "tb1", "bcrt1"].into_iter().any(|prefix| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

fn parse_segwit(text: &str) -> Result<CanonicalBytes, Refusal> {
    let (prefix, version, program) = segwit::decode(text).map_err(|error| match error.0 {
        SegwitHrpstringError::Unchecked(UncheckedHrpstringError::Char(CharError::MixedCase)) => {
            Refusal::MixedCase
        }
        SegwitHrpstringError::Checksum(ChecksumError::InvalidResidue(_)) => {
            Refusal::ChecksumMismatch
        }
        SegwitHrpstringError::InvalidWitnessVersion(_)
        | SegwitHrpstringError::WitnessLength(_)
        | SegwitHrpstringError::Padding(_) => Refusal::WitnessProgram,
        _ => Refusal::NotABtcAddress,
    })?;
    if prefix != hrp::BC {
        return Err(Refusal::WrongNetwork);
    }
    let opcode = match version.to_u8() {
        0 => OP_0,
        version => OP_1 - 1 + version,
    };
    let length = u8::try_from(program.len()).map_err(|_| Refusal::WitnessProgram)?;
    Ok(CanonicalBytes::concat(&[&[opcode, length], &program]))
}

/// The address of a script that [`parse`] made.
pub(crate) fn text(script: &[u8]) -> Option<String> {
    match script {
        [
            OP_DUP,
            OP_HASH160,
            PUSH_20,
            hash @ ..,
            OP_EQUALVERIFY,
            OP_CHECKSIG,
        ] => Some(super::to_base58check(P2PKH, hash)),
        [OP_HASH160, PUSH_20, hash @ .., OP_EQUAL] => Some(super::to_base58check(P2SH, hash)),
        [opcode @ (OP_0 | OP_1..=OP_16), _length, program @ ..] => {
            let version = Fe32::try_from(opcode.saturating_sub(OP_1 - 1)).ok()?;
            segwit::encode(hrp::BC, version, program).ok()
        }
        _ => None,
    }
}
