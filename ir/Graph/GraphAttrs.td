// All attributes of the graph dialect: definitions are generated together, since one parser dispatches to them.
include "ir/Graph/GraphDialect.td"
include "ir/Graph/GraphParts.td"
