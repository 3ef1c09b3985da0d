//! Solving one bin.

use zeroize::Zeroizing;

use super::peel::{Peeled, peel};
use super::{MOST_DENSE, Okvs, OkvsError, Row};
use crate::Gf128;
use crate::kernels::add_scaled;

pub(super) fn encode_bin(
    okvs: &Okvs,
    xs: &[Gf128],
    values: &[Gf128],
) -> Result<Zeroizing<Vec<Gf128>>, OkvsError> {
    let solved = solve(okvs, xs, values);
    if solved.is_err() && has_equal(xs) {
        return Err(OkvsError::EqualItems);
    }
    solved
}

fn solve(okvs: &Okvs, xs: &[Gf128], values: &[Gf128]) -> Result<Zeroizing<Vec<Gf128>>, OkvsError> {
    if xs.len() > okvs.shape.bin_rows as usize {
        return Err(OkvsError::BinOverflow);
    }
    let rows = okvs.rows(xs);
    if rows.iter().any(|row| row.coefficient == Gf128::ZERO) {
        return Err(OkvsError::Dependent);
    }
    let (sparse, dense) = (okvs.shape.sparse as usize, okvs.shape.dense as usize);
    let peeled = peel(&rows, sparse, dense)?;
    let bin = Bin {
        rows: &rows,
        values,
        peeled,
        sparse,
    };
    let dense_entries = bin.dense_entries()?;
    let mut entries = bin.sparse_entries(&dense_entries, bin.values);
    entries.extend(dense_entries.iter());
    entries.resize(sparse + dense, Gf128::ZERO);
    Ok(entries)
}

/// Whether two of the items have one x, which shows as a gap that cannot be solved.
fn has_equal(xs: &[Gf128]) -> bool {
    let mut sorted: Zeroizing<Vec<u128>> = Zeroizing::new(xs.iter().map(|x| x.to_bits()).collect());
    sorted.sort_unstable();
    sorted
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a == b))
}

struct Bin<'a> {
    rows: &'a [Row],
    values: &'a [Gf128],
    peeled: Peeled,
    /// m′.
    sparse: usize,
}

impl Bin<'_> {
    /// The sparse entries, the first dense ones being given: each pivot column gets what its
    /// row's value still asks for. Columns without a pivot stay zero. No `values` means zeros.
    #[expect(
        clippy::indexing_slicing,
        reason = "pivots are rows and columns of this bin"
    )]
    fn sparse_entries(&self, dense: &[Gf128], values: &[Gf128]) -> Zeroizing<Vec<Gf128>> {
        // Room for the dense entries too, so that the vector does not move and leave a copy.
        let mut entries = Zeroizing::new(Vec::with_capacity(self.sparse + MOST_DENSE));
        entries.resize(self.sparse, Gf128::ZERO);
        for &(row, column) in self.peeled.pivots.iter().rev() {
            let row = usize::from(row);
            let value = values.get(row).copied().unwrap_or_default();
            // The pivot's own entry is still zero.
            entries[usize::from(column)] = value + self.rows[row].product(&entries, dense);
        }
        entries
    }

    /// What the gap rows miss when the sparse entries are solved for these dense ones.
    fn misses(&self, dense: &[Gf128], values: &[Gf128]) -> Zeroizing<Vec<Gf128>> {
        let sparse = self.sparse_entries(dense, values);
        let miss = |&row: &u16| {
            let value = values.get(usize::from(row)).copied().unwrap_or_default();
            self.rows
                .get(usize::from(row))
                .map_or(value, |row| value + row.product(&sparse, dense))
        };
        Zeroizing::new(self.peeled.gap.iter().map(miss).collect())
    }

    /// The first dense entries, one for each gap row; the others are zero.
    ///
    /// What the gap rows miss is affine in these entries. The constant is what they miss without
    /// dense entries, a column what they miss with one of them and no values.
    fn dense_entries(&self) -> Result<Zeroizing<Vec<Gf128>>, OkvsError> {
        let size = self.peeled.gap.len();
        if size == 0 {
            return Ok(Zeroizing::default());
        }
        let mut columns = Vec::with_capacity(size + 1);
        for unit in 0..size {
            let dense: Vec<_> = (0..size)
                .map(|j| Gf128::from_bits(u128::from(j == unit)))
                .collect();
            columns.push(self.misses(&dense, &[]));
        }
        columns.push(self.misses(&[], self.values));
        let row = |i: usize| {
            columns
                .iter()
                .filter_map(move |column| column.get(i))
                .copied()
        };
        eliminate(Zeroizing::new(
            (0..size).map(|i| row(i).collect()).collect(),
        ))
    }
}

/// Solves a square system by Gauss and Jordan, each row with its right side at the end.
fn eliminate(mut matrix: Zeroizing<Vec<Vec<Gf128>>>) -> Result<Zeroizing<Vec<Gf128>>, OkvsError> {
    for pivot in 0..matrix.len() {
        let at = |row: &[Gf128]| row.get(pivot).copied().unwrap_or_default();
        let found = matrix
            .iter()
            .skip(pivot)
            .position(|row| at(row) != Gf128::ZERO);
        matrix.swap(pivot, pivot + found.ok_or(OkvsError::Dependent)?);
        let Some((pivot_row, others)) = split_out(&mut matrix, pivot) else {
            break;
        };
        let inverse = at(pivot_row).invert();
        pivot_row
            .iter_mut()
            .for_each(|entry| *entry = *entry * inverse);
        for row in others {
            let factor = at(row);
            add_scaled(row, factor, pivot_row);
        }
    }
    Ok(Zeroizing::new(
        matrix
            .iter()
            .filter_map(|row| row.last())
            .copied()
            .collect(),
    ))
}

/// One row, and all others.
fn split_out<T>(rows: &mut [T], at: usize) -> Option<(&mut T, impl Iterator<Item = &mut T>)> {
    let (before, rest) = rows.split_at_mut_checked(at)?;
    let (row, after) = rest.split_first_mut()?;
    Some((row, before.iter_mut().chain(after)))
}
