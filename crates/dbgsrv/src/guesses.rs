//! How often somebody has shown a wrong password, and how long the next try is made to wait for it:
//! whoever mistypes hardly notices, and whoever guesses does. Pure but for the clock.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use dbglink::PeerInfo;

/// The wait behind the first wrong password; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// After so long without a wrong password all is forgotten.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// Of how many peers is known how often they guessed.
const PEERS_MAX: usize = 4096;

/// Who guesses: a machine, or a user of this one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Guesser {
    /// A machine; of IPv6 addresses the part that names a network, as a machine may choose the
    /// rest.
    Machine(IpAddr),
    /// A virtual machine, or the host of this one.
    Guest(u32),
    /// A user of this machine.
    User(u32),
}

impl Guesser {
    /// Who is behind a link.
    pub(crate) fn of(peer: &PeerInfo) -> Guesser {
        match peer {
            PeerInfo::Process { uid, .. } => Guesser::User(*uid),
            PeerInfo::Machine { cid, .. } => Guesser::Guest(*cid),
            PeerInfo::Tcp { peer, .. } => Guesser::Machine(match peer.ip() {
                IpAddr::V6(ip) if !ip.is_loopback() => {
                    let network = u128::from(ip) & !u128::from(u64::MAX);
                    IpAddr::V6(network.into())
                }
                ip => ip,
            }),
        }
    }
}

/// What is known of guessers.
#[derive(Default)]
pub(crate) struct Guesses {
    known: BTreeMap<Guesser, (u32, Instant)>,
}

impl Guesses {
    /// Takes note of a wrong password.
    pub(crate) fn note(&mut self, guesser: Guesser, now: Instant) {
        self.known.retain(|_, (_, last)| now.saturating_duration_since(*last) < MEMORY);
        if self.known.len() >= PEERS_MAX && !self.known.contains_key(&guesser) {
            // The one that has been quiet for longest.
            let oldest = self.known.iter().min_by_key(|(_, (_, last))| *last);
            if let Some(oldest) = oldest.map(|(guesser, _)| *guesser) {
                self.known.remove(&oldest);
            }
        }
        let (count, last) = self.known.entry(guesser).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
    }

    /// Forgets who has shown the right one.
    pub(crate) fn forgive(&mut self, guesser: Guesser) {
        self.known.remove(&guesser);
    }

    /// How long the next try has to wait. Zero for who has not guessed.
    pub(crate) fn wait(&self, guesser: Guesser, now: Instant) -> Duration {
        match self.known.get(&guesser) {
            Some((count, last)) if now.saturating_duration_since(*last) < MEMORY => {
                let doubled = 1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX);
                FIRST_WAIT.saturating_mul(doubled).min(WAIT_MAX)
            }
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_longer_and_longer() {
        let (now, mut guesses) = (Instant::now(), Guesses::default());
        let (alice, bob) = (Guesser::User(1), Guesser::User(2));
        assert_eq!(guesses.wait(alice, now), Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..40 {
            guesses.note(alice, now);
            waits.push(guesses.wait(alice, now).as_millis());
        }
        assert_eq!(waits[..7], [250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(waits.last(), Some(&8000));
        assert_eq!(guesses.wait(bob, now), Duration::ZERO);
        assert_eq!(guesses.wait(alice, now + MEMORY), Duration::ZERO);
        guesses.forgive(alice);
        assert_eq!(guesses.wait(alice, now), Duration::ZERO);
    }

    #[test]
    fn a_network_is_one_guesser_and_memory_is_bounded() {
        let peer = |text: &str| PeerInfo::Tcp {
            peer: text.parse().expect("an address"),
            local: "[::1]:1".parse().expect("an address"),
        };
        let of = |text: &str| Guesser::of(&peer(text));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff]:2"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_ne!(of("192.0.2.1:1"), of("192.0.2.2:1"));
        assert_eq!(of("192.0.2.1:1"), of("192.0.2.1:2"));
        let (now, mut guesses) = (Instant::now(), Guesses::default());
        for user in 0..PEERS_MAX as u32 + 10 {
            guesses.note(Guesser::User(user), now + Duration::from_millis(user.into()));
        }
        assert_eq!(guesses.known.len(), PEERS_MAX);
        assert_eq!(guesses.wait(Guesser::User(0), now), Duration::ZERO);
    }
}
