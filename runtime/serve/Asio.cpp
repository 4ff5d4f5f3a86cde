// The parts of asio and Beast that are no templates, once.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
