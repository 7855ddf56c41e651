//! Ranges of addresses with something at each, to be found by an address. Ranges may lie inside
//! each other or overlap. It does not know what the ranges stand for.

use std::ops::Range;

/// Ranges by address.
#[derive(Debug)]
pub(crate) struct RangeTable<T> {
    /// By start; of those that begin together the longest first.
    rows: Vec<Row<T>>,
}

#[derive(Debug)]
struct Row<T> {
    start: u64,
    end: u64,
    /// The greatest end of this row and of all before it: where a search may stop.
    end_max: u64,
    /// How many rows there are up to the last one before this that ends behind this one: in ranges
    /// inside each other, the one around it. An address behind this row is in none between.
    reaching_further: usize,
    value: T,
}

impl<T> RangeTable<T> {
    /// Sorts the ranges. Empty ones are left out.
    pub(crate) fn new(ranges: Vec<(Range<u64>, T)>) -> RangeTable<T> {
        let mut rows: Vec<Row<T>> = ranges
            .into_iter()
            .filter(|(range, _)| range.start < range.end)
            .map(|(range, value)| Row {
                start: range.start,
                end: range.end,
                end_max: 0,
                reaching_further: 0,
                value,
            })
            .collect();
        rows.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
        let mut end_max = 0;
        // The rows that reach further than all behind them, each with how many are before it.
        let mut open: Vec<(u64, usize)> = Vec::new();
        for (index, row) in rows.iter_mut().enumerate() {
            end_max = end_max.max(row.end);
            row.end_max = end_max;
            while open.pop_if(|(end, _)| *end <= row.end).is_some() {}
            row.reaching_further = open.last().map_or(0, |(_, index)| index + 1);
            open.push((row.end, index));
        }
        RangeTable { rows }
    }

    /// What lies at `address`, the range that begins last first: of ranges inside each other that
    /// is the innermost.
    pub(crate) fn at(&self, address: u64) -> impl Iterator<Item = &T> {
        self.rows_at(address).map(|row| &row.value)
    }

    /// As [`RangeTable::at`], with the ranges.
    pub(crate) fn ranges_at(&self, address: u64) -> impl Iterator<Item = (Range<u64>, &T)> {
        self.rows_at(address).map(|row| (row.start..row.end, &row.value))
    }

    fn rows_at(&self, address: u64) -> impl Iterator<Item = &Row<T>> {
        let mut begun = self.rows.partition_point(|row| row.start <= address);
        std::iter::from_fn(move || {
            loop {
                let last = begun.checked_sub(1)?;
                let row = self.rows.get(last).filter(|row| row.end_max > address)?;
                if row.end > address {
                    begun = last;
                    return Some(row);
                }
                begun = row.reaching_further;
            }
        })
    }

    /// The ranges that have addresses in `wanted`, by address.
    pub(crate) fn overlapping(&self, wanted: Range<u64>) -> impl Iterator<Item = (Range<u64>, &T)> {
        let begun = self.rows.partition_point(|row| row.start < wanted.end);
        let begun = self.rows.get(..begun).unwrap_or_default();
        let first = begun.partition_point(|row| row.end_max <= wanted.start);
        let reaching = begun.get(first..).unwrap_or_default();
        let reaching = reaching.iter().filter(move |row| row.end > wanted.start);
        reaching.map(|row| (row.start..row.end, &row.value))
    }

    /// All ranges by address.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Range<u64>, &T)> {
        self.rows.iter().map(|row| (row.start..row.end, &row.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_all_ranges_around_it_and_in_no_other() {
        let ranges = [(0, 100), (10, 20), (10, 15), (12, 13), (40, 40), (40, 60), (90, 200)];
        let table =
            RangeTable::new(ranges.iter().map(|(start, end)| (*start..*end, *end)).collect());
        for address in 0..210 {
            let mut expected: Vec<u64> = ranges
                .iter()
                .filter(|(start, end)| (*start..*end).contains(&address))
                .map(|(_, end)| *end)
                .collect();
            expected.sort_unstable();
            let mut found: Vec<u64> = table.at(address).copied().collect();
            if address == 12 {
                assert_eq!(found, [13, 15, 20, 100], "the innermost comes first");
            }
            found.sort_unstable();
            assert_eq!(found, expected, "at {address}");
            let mut found: Vec<u64> =
                table.overlapping(address..address + 1).map(|(_, value)| *value).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "around {address}");
        }
    }

    /// A namespace with very many functions: what is around each of them is found without a look
    /// at all that come before it.
    #[test]
    fn neighbours_are_not_looked_at() {
        const COUNT: u64 = 200_000;
        let neighbours = (0..COUNT).map(|index| (10 * index + 1..10 * index + 9, index));
        let table = RangeTable::new(neighbours.chain([(0..10 * COUNT, COUNT)]).collect());
        for index in 0..COUNT {
            let found: Vec<u64> = table.at(10 * index + 5).copied().collect();
            assert_eq!(found, [index, COUNT]);
        }
    }
}
