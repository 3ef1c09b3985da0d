#![expect(clippy::indexing_slicing, reason = "tests")]

use super::*;

const ROOT: Gf128 = Gf128::from_bits(0x5eed);

fn ggm() -> Ggm {
    Ggm::new(
        &SessionId::from_bytes([1; 32]),
        [Label::PPRF_LEFT, Label::PPRF_RIGHT],
    )
}

fn tree(leaves: usize) -> Tree {
    Tree {
        leaves,
        depth: (leaves - 1).ilog2() as usize + 1,
    }
}

fn sum(values: &[Gf128]) -> Gf128 {
    values.iter().fold(Gf128::ZERO, |sum, &value| sum + value)
}

/// What the honest side of a transfer gets: at each level the sum that the path does not take.
fn sides(tree: Tree, path: usize, sums: &[[Gf128; 2]]) -> Vec<Gf128> {
    let bit = |level| usize::from(tree.path_bit(path, level).unwrap_u8());
    (1..=tree.depth)
        .zip(sums)
        .map(|(level, sums)| sums[1 - bit(level)])
        .collect()
}

#[test]
fn every_punctured_leaf_of_every_shape() {
    let ggm = ggm();
    for tree in (2..=34).chain([100, 333]).map(tree) {
        let mut leaves = vec![Gf128::ZERO; tree.leaves];
        let grown = ggm.grow(tree, ROOT, &mut leaves);
        assert_eq!(grown.sums.len(), tree.depth);
        assert!(
            grown.sums[tree.depth - 1][0] + grown.sums[tree.depth - 1][1]
                == sum(&leaves)
                    + if tree.leaves % 2 == 1 {
                        last_phantom(&ggm, tree)
                    } else {
                        Gf128::ZERO
                    }
        );
        for path in 0..tree.leaves {
            let mut others = vec![Gf128::ONE; tree.leaves];
            let sides = sides(tree, path, &grown.sums);
            let phantoms = ggm.grow_punctured(tree, path, &sides, &mut others);
            assert!(phantoms == grown.phantoms, "{} leaves, {path}", tree.leaves);
            assert!(others[path] == Gf128::ZERO);
            others[path] = leaves[path];
            assert!(others == leaves, "{} leaves, {path}", tree.leaves);
        }
    }
}

/// The right child of the last inner node of a tree with an odd number of leaves.
fn last_phantom(ggm: &Ggm, tree: Tree) -> Gf128 {
    let half = Tree {
        leaves: tree.nodes(tree.depth - 1),
        depth: tree.depth - 1,
    };
    let mut nodes = vec![Gf128::ZERO; half.leaves];
    ggm.grow(half, ROOT, &mut nodes);
    ggm.right.feed_forward(nodes[half.leaves - 1])
}

#[test]
fn children_are_what_the_definition_says() {
    let ggm = ggm();
    let mut leaves = [Gf128::ZERO; 3];
    let grown = ggm.grow(tree(3), ROOT, &mut leaves);
    let (left, right) = (ggm.left.feed_forward(ROOT), ggm.right.feed_forward(ROOT));
    let phantom = ggm.right.feed_forward(right);
    let expected = [
        ggm.left.feed_forward(left),
        ggm.right.feed_forward(left),
        ggm.left.feed_forward(right),
    ];
    assert!(leaves == expected && grown.phantoms == phantom);
    assert!(grown.sums[0] == [left, right]);
    assert!(grown.sums[1] == [expected[0] + expected[2], expected[1] + phantom]);
}

#[test]
fn a_path_out_of_the_tree_hides_a_phantom() {
    // The sender's θ is W + all leaves + all phantoms. Who takes a path out of the tree learns
    // every leaf; W must stay hidden behind a phantom. Were the phantoms left out of θ, or out
    // of θ and the sums, the same path would give W (the control, which must succeed).
    let ggm = ggm();
    let w = Gf128::from_bits(0x77);
    for tree in (3..=66).map(tree) {
        let mut leaves = vec![Gf128::ZERO; tree.leaves];
        let grown = ggm.grow(tree, ROOT, &mut leaves);
        let theta = w + sum(&leaves) + grown.phantoms;
        for path in tree.leaves..1 << tree.depth {
            let mut known = vec![Gf128::ZERO; tree.leaves];
            let phantoms =
                ggm.grow_punctured(tree, path, &sides(tree, path, &grown.sums), &mut known);
            assert!(
                known == leaves,
                "no leaf is missing: {} leaves, {path}",
                tree.leaves
            );
            let stolen = theta + sum(&known) + phantoms;
            assert!(stolen != w, "{} leaves, {path}", tree.leaves);
            let pruned = w + sum(&leaves);
            assert!(
                pruned + sum(&known) == w,
                "the control: {} leaves, {path}",
                tree.leaves
            );
        }
    }
}
