"""Readers of files and pushes that people bring: one row, one item.

Column guesses must also fill `Item.origin` (columns named source, platform, origin, site, network, "источник", "площадка"),
`Item.subject` (brand, product, company, "бренд", "компания", "товар"), `Item.location` (location, branch, place, address,
"филиал", "точка", "адрес") and `Item.customer` (customer, client_id, "клиент"). The application picks the brand from
`subject` and the source from `origin` where the command line leaves them open.
"""
