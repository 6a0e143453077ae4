//! Turning small matrices: between planes of positions and rows of channels.

use super::Lanes;

/// Side of the blocks that are turned in registers.
const SIDE: usize = 8;

/// Turns `rows` by `columns` values: `to[column * to_pitch + row] = from[row * from_pitch + column]`.
///
/// What is left of whole blocks is covered by one more block that overlaps the last one. Sides below a block are copied value by value.
///
/// # Safety
/// Every value named is readable or writable, and the processor has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn turn<L: Lanes>(
    [rows, columns]: [usize; 2],
    (from, from_pitch): (*const f32, usize),
    (to, to_pitch): (*mut f32, usize),
) {
    // SAFETY: the caller promises all rows and columns; a block ends at the last of them.
    unsafe {
        if rows < SIDE || columns < SIDE {
            for row in 0..rows {
                for column in 0..columns {
                    *to.add(column * to_pitch + row) = *from.add(row * from_pitch + column);
                }
            }
            return;
        }
        let mut row = 0;
        while row < rows {
            let first = row.min(rows - SIDE);
            let mut column = 0;
            while column < columns {
                let start = column.min(columns - SIDE);
                let (from, to) = (from.add(first * from_pitch + start), to.add(start * to_pitch + first));
                L::turn_block(from, from_pitch, to, to_pitch);
                column += SIDE;
            }
            row += SIDE;
        }
    }
}
