//! Constants of the field and the curve (RFC 9496 §4.1), as digits in radix 2^52.

/// The same field element in every lane.
pub(super) type Limbs = [i64; 5];

pub(super) const ZERO: Limbs = [0; 5];
pub(super) const ONE: Limbs = [1, 0, 0, 0, 0];
/// The even square root of −1.
pub(super) const SQRT_M1: Limbs = [
    0x000e_1b27_4a0e_a0b0,
    0x0000_6ad2_fe47_8c4e,
    0x000d_fbd7_a72f_4318,
    0x000d_f0b2_b4d0_0993,
    0x0000_2b83_2480_4fc1,
];
pub(super) const D: Limbs = [
    0x000b_4dca_1359_78a3,
    0x0004_d414_1d8a_b75e,
    0x0007_79e8_9800_700a,
    0x000f_e738_cc74_0797,
    0x0000_5203_6cee_2b6f,
];
pub(super) const MINUS_D: Limbs = [
    0x0004_b235_eca6_874a,
    0x000b_2beb_e275_48a1,
    0x0008_8617_67ff_8ff5,
    0x0000_18c7_338b_f868,
    0x0000_2dfc_9311_d490,
];
pub(super) const TWO_D: Limbs = [
    0x0006_9b94_26b2_f159,
    0x0009_a828_3b15_6ebd,
    0x000e_f3d1_3000_e014,
    0x000f_ce71_98e8_0f2e,
    0x0000_2406_d9dc_56df,
];
pub(super) const SQRT_AD_MINUS_ONE: Limbs = [
    0x0007_f6a0_497b_2e1b,
    0x0000_c1b7_854b_d7e9,
    0x0001_f5d1_fdaf_9d8e,
    0x0004_8ac0_f3cf_cc93,
    0x0000_3769_31bf_2b83,
];
pub(super) const INVSQRT_A_MINUS_D: Limbs = [
    0x0008_fdaa_805d_40ea,
    0x0001_75a4_172b_e99c,
    0x000e_01d8_409d_2f16,
    0x000f_ca21_6c27_b91f,
    0x0000_786c_8905_cfaf,
];
pub(super) const ONE_MINUS_D_SQ: Limbs = [
    0x000c_09c1_945f_c176,
    0x0003_8cd5_e350_fe27,
    0x000e_70df_e42c_81a1,
    0x000e_0d79_994a_bddb,
    0x0000_0290_72a8_b2b3,
];
pub(super) const D_MINUS_ONE_SQ: Limbs = [
    0x000d_5aaa_44ed_4d20,
    0x0002_cb01_e199_931a,
    0x0002_9b4e_ebd2_9e4a,
    0x0002_2414_cdcd_32f5,
    0x0000_5968_b37a_f66c,
];
