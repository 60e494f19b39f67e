authority "root" {
  domain      = domain.corp
  common_name = "Contoso Root CA"
  ntauth      = false
}

authority "issuing" {
  domain      = domain.corp
  common_name = "Contoso Issuing CA"
  parent      = authority.root

  template "SmartcardLogon" {
    enroll = [group.engineers]
  }

  crl {
    validity = "2d"
    delta    = "6h"
    overlap  = "1h"
  }
}
