//! What a debugger reads after its stops, so that the next stop brings it along. It knows ranges
//! and questions, not why they are asked. Pure.

use std::collections::VecDeque;

use dbgbase::{Address, AddressRange};
use dbgwire::verbs::window::{SetWindows, Window, WindowBase};

/// How many stops a range that is read no more is still brought along.
const STOPS_REMEMBERED: usize = 3;
/// The most ranges that are brought along.
const RANGES_MAX: usize = 48;
/// Longer reads are made once, not at every stop.
const RANGE_LEN_MAX: u64 = 1024;
/// The most of a stack that is brought along.
const STACK_LEN_MAX: u64 = 64 * 1024;
/// The same of a thread that did not stop itself.
const THREAD_STACK_LEN_MAX: u64 = 4096;
/// Of more threads than this, registers and names are asked for when they are wanted.
const THREADS_MAX: usize = 64;
/// Stacks are brought along in multiples of this, so that the same depth is not said anew each time
/// it varies a little.
const STACK_STEP: u64 = 1024;

/// What was read after the last stops, this one's last.
#[derive(Debug)]
pub(crate) struct Habits {
    stops: VecDeque<Asked>,
    said: Option<SetWindows>,
}

/// What was asked at one stop.
#[derive(Clone, Default, Debug)]
struct Asked {
    /// How deep the stack of the thread that stopped was read, from its stack pointer.
    depth: u64,
    /// How deep that of another one.
    others_depth: u64,
    /// Memory elsewhere.
    ranges: Vec<AddressRange>,
    /// Whether the extended registers of the thread that stopped were.
    extended: bool,
    /// Whether anything about other threads was.
    threads: bool,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits { stops: VecDeque::from([Asked::default()]), said: None }
    }
}

impl Habits {
    /// Takes note of a read. `stack` is the stack pointer of the thread that stopped, `code` its
    /// pc; code around that comes with every stop anyway.
    pub(crate) fn note_read(&mut self, address: Address, len: u64, stack: Address, code: Address) {
        let Some(asked) = self.stops.back_mut() else { return };
        let end = address.value().saturating_add(len);
        if let Some(depth) = address.offset_from(stack).filter(|depth| *depth < STACK_LEN_MAX) {
            asked.depth = asked.depth.max(depth.saturating_add(len)).min(STACK_LEN_MAX);
            return;
        }
        let is_near = |at: u64| at.abs_diff(code.value()) <= 64;
        if is_near(address.value()) && is_near(end) {
            return;
        }
        let Some(range) = AddressRange::with_len(address, len) else { return };
        let is_known = asked.ranges.iter().any(|known| known.intersection(&range) == Some(range));
        if len <= RANGE_LEN_MAX && len > 0 && !is_known && asked.ranges.len() < RANGES_MAX {
            asked.ranges.push(range);
        }
    }

    /// Takes note of a read in the stack of a thread that did not stop itself.
    pub(crate) fn note_other_stack(&mut self, depth: u64) {
        if let Some(asked) = self.stops.back_mut() {
            asked.others_depth = asked.others_depth.max(depth).min(THREAD_STACK_LEN_MAX);
        }
    }

    /// Takes note that the extended registers of the thread that stopped are wanted.
    pub(crate) fn note_extended(&mut self) {
        if let Some(asked) = self.stops.back_mut() {
            asked.extended = true;
        }
    }

    /// Takes note that something about all threads is wanted.
    pub(crate) fn note_threads(&mut self) {
        if let Some(asked) = self.stops.back_mut() {
            asked.threads = true;
        }
    }

    /// The target runs: what was asked at its stop is a habit from now on. What the server is to be
    /// told, if that is something else than before.
    pub(crate) fn settle(&mut self, target: u32, threads: usize) -> Option<SetWindows> {
        let plan = self.plan(target, threads);
        self.stops.push_back(Asked::default());
        while self.stops.len() > STOPS_REMEMBERED {
            self.stops.pop_front();
        }
        if self.said.as_ref() == Some(&plan) {
            return None;
        }
        self.said = Some(plan.clone());
        Some(plan)
    }

    fn plan(&self, target: u32, threads: usize) -> SetWindows {
        let deepest = |depth: fn(&Asked) -> u64| {
            let depth = self.stops.iter().map(depth).max().unwrap_or(0);
            depth.next_multiple_of(STACK_STEP) as u32
        };
        let has_few = (2..=THREADS_MAX).contains(&threads);
        let mut windows: Vec<Window> = Vec::new();
        // The latest first: they are the most likely, and there is an end to what fits.
        for range in self.stops.iter().rev().flat_map(|asked| &asked.ranges) {
            let window = Window {
                base: WindowBase::Absolute as i32,
                offset: range.start().value().cast_signed(),
                len: range.len_bytes() as u32,
            };
            if !windows.contains(&window) && windows.len() < RANGES_MAX {
                windows.push(window);
            }
        }
        windows.sort_by_key(|window| window.offset);
        SetWindows {
            target,
            stack_len: deepest(|asked| asked.depth),
            windows,
            extended: self.stops.iter().any(|asked| asked.extended),
            threads: has_few && self.stops.iter().any(|asked| asked.threads),
            thread_stack_len: if has_few { deepest(|asked| asked.others_depth) } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: u64) -> Address {
        Address::new(address)
    }

    const STACK: u64 = 0x7fff_0000;
    const CODE: u64 = 0x40_1000;

    fn read(habits: &mut Habits, address: u64, len: u64) {
        habits.note_read(at(address), len, at(STACK), at(CODE));
    }

    #[test]
    fn what_is_read_is_brought_along_and_said_once() {
        let mut habits = Habits::default();
        read(&mut habits, STACK + 0x1230, 8);
        read(&mut habits, CODE, 16);
        read(&mut habits, 0x60_0000, 8);
        let plan = habits.settle(1, 1).expect("is news");
        assert_eq!(plan.stack_len, 0x1400);
        assert_eq!(plan.windows.len(), 1);
        assert_eq!((plan.windows[0].offset, plan.windows[0].len), (0x60_0000, 8));
        assert_eq!(habits.settle(1, 1), None, "the same still holds");
    }

    #[test]
    fn what_is_no_longer_read_is_forgotten() {
        let mut habits = Habits::default();
        read(&mut habits, 0x60_0000, 8);
        habits.note_extended();
        assert!(habits.settle(1, 1).is_some());
        assert!(habits.settle(1, 1).is_none());
        assert!(habits.settle(1, 1).is_none());
        let plan = habits.settle(1, 1).expect("is news");
        assert_eq!(plan, SetWindows { target: 1, ..SetWindows::default() });
    }

    #[test]
    fn threads_come_along_while_they_are_few() {
        let mut habits = Habits::default();
        habits.note_threads();
        habits.note_other_stack(100);
        let plan = habits.settle(1, 3).expect("is news");
        assert!(plan.threads);
        assert_eq!(plan.thread_stack_len, 1024);
        let plan = habits.settle(1, 1000).expect("is news");
        assert!(!plan.threads);
        assert_eq!(plan.thread_stack_len, 0);
    }

    #[test]
    fn a_dump_of_memory_is_no_habit() {
        let mut habits = Habits::default();
        read(&mut habits, 0x60_0000, 65536);
        (0..100).for_each(|at| read(&mut habits, 0x70_0000 + 16 * at, 8));
        let plan = habits.settle(1, 1).expect("is news");
        assert_eq!(plan.windows.len(), RANGES_MAX);
        assert!(plan.windows.iter().all(|window| window.len == 8));
    }
}
