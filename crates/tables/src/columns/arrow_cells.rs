//! Values of Arrow's arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use super::super::moments;
use super::cells::Cell;

/// Milliseconds per day.
const DAY: i64 = 86_400_000;

/// The value of a row. Time zones do not count: a moment is that of UTC, as in `.parquet`.
pub(super) fn cell(array: &dyn Array, row: usize) -> Cell {
    if array.is_null(row) {
        return Cell::Null;
    }
    macro_rules! value {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(row)
        };
    }
    macro_rules! whole {
        ($kind:ty) => {
            Cell::Whole(i128::from(value!($kind)))
        };
    }
    macro_rules! decimal {
        ($kind:ty) => {
            Cell::Decimal(array.as_primitive::<$kind>().value_as_string(row))
        };
    }
    match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => whole!(UInt64Type),
        DataType::Float16 => Cell::Single(value!(Float16Type).to_f32()),
        DataType::Float32 => Cell::Single(value!(Float32Type)),
        DataType::Float64 => Cell::Double(value!(Float64Type)),
        DataType::Decimal32(..) => decimal!(Decimal32Type),
        DataType::Decimal64(..) => decimal!(Decimal64Type),
        DataType::Decimal128(..) => decimal!(Decimal128Type),
        DataType::Decimal256(..) => decimal!(Decimal256Type),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row).to_owned()),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary => Cell::Bytes(array.as_binary::<i64>().value(row).to_vec()),
        DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(row).to_vec()),
        DataType::FixedSizeBinary(_) => Cell::Bytes(array.as_fixed_size_binary().value(row).to_vec()),
        DataType::Date32 => Cell::Moment(moments::day(i64::from(value!(Date32Type)))),
        DataType::Date64 => Cell::Moment(moments::day(value!(Date64Type).div_euclid(DAY))),
        DataType::Time32(TimeUnit::Second) => {
            Cell::Moment(moments::time(i64::from(value!(Time32SecondType)), 0))
        }
        DataType::Time32(_) => Cell::Moment(moments::time(i64::from(value!(Time32MillisecondType)), 3)),
        DataType::Time64(TimeUnit::Nanosecond) => {
            Cell::Moment(moments::time(value!(Time64NanosecondType), 9))
        }
        DataType::Time64(_) => Cell::Moment(moments::time(value!(Time64MicrosecondType), 6)),
        DataType::Timestamp(TimeUnit::Second, _) => {
            Cell::Moment(moments::moment(value!(TimestampSecondType), 0))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Cell::Moment(moments::moment(value!(TimestampMillisecondType), 3))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Moment(moments::moment(value!(TimestampMicrosecondType), 6))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Cell::Moment(moments::moment(value!(TimestampNanosecondType), 9))
        }
        DataType::List(_) => list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row)),
        DataType::ListView(_) => list(&array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => list(&array.as_list_view::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            match cell(dictionary.keys(), row) {
                Cell::Whole(key) => match usize::try_from(key) {
                    Ok(key) if key < dictionary.values().len() => cell(dictionary.values().as_ref(), key),
                    _ => Cell::Null,
                },
                _ => Cell::Null,
            }
        }
        DataType::Struct(_) => Cell::Other("a group of values"),
        DataType::Map(..) => Cell::Other("a map"),
        DataType::Union(..) => Cell::Other("a value of several types"),
        DataType::RunEndEncoded(..) => Cell::Other("a run-end encoded value"),
        DataType::Duration(_) | DataType::Interval(_) => Cell::Other("a period of time"),
        DataType::Null => Cell::Null,
    }
}

fn list(values: &ArrayRef) -> Cell {
    Cell::List((0..values.len()).map(|row| cell(values.as_ref(), row)).collect())
}
