//! Triangulation of the sparse part of a bin: which row each column is solved from, and which
//! rows are left for the dense columns.

use zeroize::Zeroizing;

use super::{OkvsError, Row};

/// The order of elimination. Solving goes through `pivots` backwards: the column of a pivot
/// occurs in no row of a later pivot, and may occur in gap rows.
pub(super) struct Peeled {
    /// (row, column), in the order in which they were taken out.
    pub(super) pivots: Zeroizing<Vec<(u16, u16)>>,
    /// Rows without a column of their own.
    pub(super) gap: Vec<u16>,
}

/// The rows that a column is still in: how many, and the XOR of their numbers.
#[derive(Clone, Copy, Default)]
struct Column {
    degree: u16,
    rows: u16,
}

/// Peels columns of degree one; where there is none, takes a column of least degree, makes one
/// of its rows the pivot and moves the others to the gap.
///
/// # Errors
/// [`OkvsError::Gap`] beyond `most` gap rows, [`OkvsError::BinOverflow`] beyond 65,535 rows.
#[expect(
    clippy::indexing_slicing,
    reason = "rows hold columns below `columns.len()`; rows are numbered"
)]
pub(super) fn peel(rows: &[Row], columns: usize, most: usize) -> Result<Peeled, OkvsError> {
    let count = u16::try_from(rows.len()).map_err(|_| OkvsError::BinOverflow)?;
    let mut columns = vec![Column::default(); columns];
    for (number, row) in (0..count).zip(rows) {
        for &column in &row.columns {
            let column = &mut columns[usize::from(column)];
            column.degree += 1;
            column.rows ^= number;
        }
    }
    let mut single: Vec<u16> = (0..=u16::MAX)
        .zip(&columns)
        .filter(|(_, c)| c.degree == 1)
        .map(|(at, _)| at)
        .collect();
    let mut pivots = Zeroizing::new(Vec::with_capacity(rows.len()));
    let mut gap = Vec::new();

    let remove = |number: u16, columns: &mut [Column], single: &mut Vec<u16>| {
        for &at in &rows[usize::from(number)].columns {
            let column = &mut columns[usize::from(at)];
            column.degree -= 1;
            column.rows ^= number;
            if column.degree == 1 {
                single.push(at);
            }
        }
    };
    loop {
        while let Some(at) = single.pop() {
            let Column {
                degree,
                rows: number,
            } = columns[usize::from(at)];
            if degree == 1 {
                pivots.push((number, at));
                remove(number, &mut columns, &mut single);
            }
        }
        if pivots.len() + gap.len() == rows.len() {
            return Ok(Peeled { pivots, gap });
        }
        // Only the 2-core is left. This is rare, and at most `most` times: look through all.
        let least = (0..=u16::MAX).zip(&columns).filter(|(_, c)| c.degree > 0);
        let Some((at, &Column { degree, .. })) = least.min_by_key(|(_, c)| c.degree) else {
            return Err(OkvsError::Gap);
        };
        if gap.len() + usize::from(degree) - 1 > most {
            return Err(OkvsError::Gap);
        }
        let taken: Vec<bool> = {
            let mut taken = vec![false; rows.len()];
            for &number in pivots.iter().map(|(number, _)| number).chain(&gap) {
                taken[usize::from(number)] = true;
            }
            taken
        };
        let here = (0..count).filter(|&number| {
            !taken[usize::from(number)] && rows[usize::from(number)].columns.contains(&at)
        });
        for (place, number) in here.enumerate() {
            if place == 0 {
                pivots.push((number, at));
            } else {
                gap.push(number);
            }
            remove(number, &mut columns, &mut single);
        }
    }
}
