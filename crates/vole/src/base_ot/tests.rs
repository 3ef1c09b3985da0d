#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const SESSION: SessionId = SessionId::from_bytes([9; 32]);

#[test]
fn the_chooser_gets_one_key_of_each_pair() {
    let mut rng = StdRng::seed_from_u64(40);
    for _ in 0..3 {
        let delta = Delta::random(&mut rng);
        let (chooser, elements) = Chooser::new(&SESSION, &delta, &mut rng);
        let (reply, pairs) = offer(&SESSION, &elements, &mut rng).unwrap();
        let keys = chooser.finish(&delta, &reply).unwrap();
        assert_eq!((keys.len(), pairs.len()), (BASE_OTS, BASE_OTS));
        for index in 0..BASE_OTS {
            let choice = usize::from((!delta.bit(index)).unwrap_u8());
            assert!(keys[index] == pairs[index][choice] && keys[index] != pairs[index][1 - choice]);
        }
    }
}

#[test]
fn keys_are_bound_to_the_session_and_to_every_element() {
    let mut rng = StdRng::seed_from_u64(41);
    let delta = Delta::random(&mut rng);
    let (chooser, elements) = Chooser::new(&SESSION, &delta, &mut rng);
    // Another session on one side, or one element replaced on the way: no key fits.
    let other = SESSION.chunk(0);
    let mut replaced = elements.clone();
    replaced[255] = random_element(&mut rng).compress().0;
    for (session, elements) in [(&other, &elements), (&SESSION, &replaced)] {
        let (reply, pairs) = offer(session, elements, &mut rng).unwrap();
        let keys = chooser.finish(&delta, &reply).unwrap();
        assert!(
            keys.iter()
                .zip(pairs.iter())
                .all(|(key, pair)| !pair.contains(key))
        );
    }
}

#[test]
fn what_is_no_element_is_refused() {
    let mut rng = StdRng::seed_from_u64(42);
    let delta = Delta::random(&mut rng);
    let (chooser, elements) = Chooser::new(&SESSION, &delta, &mut rng);
    // p + 2 is not canonical, 1 is odd and so negative, 2^256 - 1 is both.
    let mut above = [0xff; 32];
    (above[0], above[31]) = (0xef, 0x7f);
    let mut one = [0; 32];
    one[0] = 1;
    for bad in [[0; 32], above, one, [0xff; 32]] {
        assert!(chooser.finish(&delta, &bad).is_none());
        for at in [0, 1, 254, 255] {
            let mut elements = elements.clone();
            elements[at] = bad;
            assert!(offer(&SESSION, &elements, &mut rng).is_none());
        }
    }
}
