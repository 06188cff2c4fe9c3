//! Which task waits for which: cycles are refused, with the path shown.

use std::collections::HashMap;
use std::hash::Hash;

/// What a walk along all that waits for something found.
#[derive(Debug, PartialEq, Eq)]
pub enum Walk<N> {
    /// Everything that was reached, each after all it needs, otherwise in the order of the roots.
    Order(Vec<N>),
    /// A path that ends where it began.
    Cycle(Vec<N>),
}

/// Follow what `roots` need, and what that needs. `needs` says what a node waits for.
///
/// Depth first without recursion: a chain of ten thousand tasks must not end the stack.
pub fn walk<N, E>(
    roots: impl IntoIterator<Item = N>,
    mut needs: impl FnMut(N) -> Result<Vec<N>, E>,
) -> Result<Walk<N>, E>
where
    N: Copy + Eq + Hash,
{
    #[derive(PartialEq)]
    enum Mark {
        OnPath,
        Clean,
    }
    let mut marks: HashMap<N, Mark> = HashMap::new();
    let mut order = Vec::new();
    for root in roots {
        if marks.contains_key(&root) {
            continue;
        }
        marks.insert(root, Mark::OnPath);
        let mut path = vec![(root, needs(root)?.into_iter())];
        while let Some((node, rest)) = path.last_mut() {
            let Some(next) = rest.next() else {
                marks.insert(*node, Mark::Clean);
                order.push(*node);
                path.pop();
                continue;
            };
            match marks.get(&next) {
                Some(Mark::Clean) => {}
                Some(Mark::OnPath) => {
                    let mut cycle: Vec<N> =
                        path.iter().map(|(node, _)| *node).skip_while(|node| *node != next).collect();
                    cycle.push(next);
                    return Ok(Walk::Cycle(cycle));
                }
                None => {
                    marks.insert(next, Mark::OnPath);
                    let further = needs(next)?.into_iter();
                    path.push((next, further));
                }
            }
        }
    }
    Ok(Walk::Order(order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// `a>b` reads "a needs b"; what is expected is the cycle or the order.
    fn check(edges: &str, expected: &str) {
        let edges: Vec<(char, char)> =
            edges.split_whitespace().map(|edge| (edge.as_bytes()[0] as char, edge.as_bytes()[2] as char)).collect();
        let needs =
            |node| Ok::<_, Infallible>(edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| *to).collect());
        let Ok(found) = walk(edges.iter().map(|(from, _)| *from), needs);
        let found = match found {
            Walk::Order(order) => format!("order {}", order.iter().collect::<String>()),
            Walk::Cycle(path) => format!("cycle {}", path.iter().collect::<String>()),
        };
        assert_eq!(found, expected, "{edges:?}");
    }

    #[test]
    fn cycles_are_found_with_their_path_and_all_else_is_put_in_order() {
        check("", "order ");
        check("a>b b>c a>c", "order cba");
        check("a>a", "cycle aa");
        check("a>b b>a", "cycle aba");
        check("x>a a>b b>c c>a", "cycle abca");
        check("a>b a>c b>d c>d", "order dbca");
    }

    #[test]
    fn a_long_chain_does_not_end_the_stack() {
        let needs = |node: u32| Ok::<_, Infallible>(if node < 100_000 { vec![node + 1] } else { vec![] });
        let Ok(Walk::Order(order)) = walk([0], needs) else { panic!("a chain has no cycle") };
        assert_eq!(order.len(), 100_001);
    }
}
