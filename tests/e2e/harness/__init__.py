"""What the end-to-end tests share: the contract, an appliance, its channels and invented citizens.

It is written against the contract alone and imports nothing of the appliance: what passes here passes for any client.
"""
